"""Hands a mail to an SMTP server."""

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from domain.errors import Fault

DEADLINE_S: Final = 10.0
"""For each answer of the server, the connection included."""
PERMANENT: Final = 500
"""RFC 5321, 4.2.1: replies from here on are permanent."""


class MailFault(Fault):
    """The server did not take the mail; it may take it later. Whether it took it after all can be unknown."""


class MailRefused(Exception):
    """The server will not take this mail, now or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    host: str
    port: int
    sender: str

    def send(self, message_id: str, to: str, subject: str, body: str) -> None:
        """`message_id` is the same for the same mail, by which a reader drops a second copy.

        Raises:
            MailFault: try again.
            MailRefused: do not.
        """
        mail = EmailMessage(policy=SMTP)
        try:
            mail["Message-ID"] = f"<{message_id}@twinsaga>"
            mail["From"], mail["To"], mail["Subject"] = self.sender, to, subject
            mail.set_content(body)
        except ValueError as error:  # a line break in a header
            raise MailRefused(str(error)) from error
        try:
            with smtplib.SMTP(self.host, self.port, timeout=DEADLINE_S) as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            permanent = all(code >= PERMANENT for code, _ in error.recipients.values())
            raise (MailRefused if permanent else MailFault)(str(error)) from error
        except smtplib.SMTPResponseException as error:
            raise (MailRefused if error.smtp_code >= PERMANENT else MailFault)(str(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailFault(f"{self.host}:{self.port}: {error}") from error
