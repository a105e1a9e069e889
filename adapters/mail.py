"""Sends a mail by SMTP."""

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from messaging.errors import Fault

DEADLINE_S: Final = 10.0
"""For the connection, and for each reply of the server."""
PERMANENT: Final = 500
"""RFC 5321, section 4.2.1: reply codes from 500 are permanent failures."""


class MailFault(Fault):
    """The server did not accept the mail, or its answer was lost. It may accept it later."""


class MailRefused(Exception):
    """The server rejects this mail for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    host: str
    port: int
    sender: str

    def send(self, message_id: str, to: str, subject: str, body: str) -> None:
        """Mail readers drop duplicates by `message_id`. Raises MailFault: retry; MailRefused: a retry does not help.

        Neither contains what the server said, which may name the recipient: Flower shows errors.
        """
        mail = EmailMessage(policy=SMTP)
        try:
            mail["Message-ID"] = f"<{message_id}@twinsaga>"
            mail["From"], mail["To"], mail["Subject"] = self.sender, to, subject
            mail.set_content(body)
        except ValueError as error:  # a line break in a header
            raise MailRefused(str(error)) from None
        try:
            with smtplib.SMTP(self.host, self.port, timeout=DEADLINE_S) as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            # It has no reply code of its own, but one for each recipient.
            permanent = all(code >= PERMANENT for code, _ in error.recipients.values())
            codes = sorted({code for code, _ in error.recipients.values()})
            raise (MailRefused if permanent else MailFault)(f"the recipient is refused: {codes}") from None
        except smtplib.SMTPResponseException as error:
            refused = MailRefused if error.smtp_code >= PERMANENT else MailFault
            raise refused(f"the server answers {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailFault(f"{self.host}:{self.port}: {error}") from error
