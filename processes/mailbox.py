"""The mails that the embedded mail server accepted, as files: a mail acknowledged with 250 survives a crash."""

import mailbox
import threading
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from pathlib import Path

MAX_MAILS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    message_id: str
    sender: str
    to: str
    subject: str
    body: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class Mailbox:
    def __init__(self, folder: Path, *, max_mails: int = MAX_MAILS) -> None:
        self._maildir = mailbox.Maildir(folder, create=True)
        self._max_mails = max_mails
        self._lock = threading.Lock()  # mailbox.Maildir is not thread-safe

    def add(self, content: bytes) -> None:
        """Store a mail, and delete the oldest ones above `max_mails`."""
        with self._lock:
            self._maildir.add(content)
            for key in self._newest_first()[self._max_mails :]:
                self._maildir.discard(key)

    def newest(self, limit: int, to: str | None = None) -> list[Mail]:
        with self._lock:
            contents = [self._maildir.get_bytes(key) for key in self._newest_first()]
        mails = (_mail(content) for content in contents)
        return [mail for mail in mails if to in (None, mail.to)][:limit]

    def _newest_first(self) -> list[str]:
        return sorted(self._maildir.keys(), key=_age, reverse=True)


def _age(key: str) -> tuple[float, int]:
    """Read the time out of a Maildir key: second, microsecond, counter, as in `1700000000.M123456P42Q7.host`."""
    second, rest, *_ = key.split(".")
    micro, _, count = rest[1:].partition("P")
    return float(f"{second}.{micro.zfill(6)}"), int(count.partition("Q")[2] or 0)


def _mail(content: bytes) -> Mail:
    parsed = message_from_bytes(content, policy=policy.default)
    body = parsed.get_body(("plain",))
    return Mail(
        message_id=str(parsed["Message-ID"]),
        sender=str(parsed["From"]),
        to=str(parsed["To"]),
        subject=str(parsed["Subject"]),
        body=str(body.get_content()).replace("\r\n", "\n") if body else "",
    )
