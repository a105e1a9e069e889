"""`twinsaga serve mail`: an SMTP server for the embedded stack that keeps every mail, and a page that shows them."""

import asyncio
import mailbox
import threading
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from api.hosts import AllowedHosts
from processes.uvicorn_server import AnnouncedServer
from runtime.settings import Settings
from runtime.stopping import stop_event

MAX_MAIL_BYTES = 1_000_000
MAX_MAILS = 1_000
IDLE_TIMEOUT_S = 30
MAILS_SHOWN = 200
STOP_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    message_id: str
    sender: str
    to: str
    subject: str
    body: str


class Mailbox:
    """The accepted mails, as files: a mail acknowledged with 250 survives a crash."""

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


class _Handler:
    def __init__(self, mails: Mailbox) -> None:
        self._mails = mails

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        await asyncio.to_thread(self._mails.add, bytes(envelope.content or b""))  # type: ignore[arg-type] # bytes, unless decode_data is set
        return "250 OK"


def main(settings: Settings) -> None:
    """Run until SIGTERM."""
    asyncio.run(_serve(settings, stop_event()))


async def _serve(settings: Settings, stop: threading.Event) -> None:
    mails = Mailbox(settings.data_dir / "mail")
    host, _, port = settings.smtp_address.rpartition(":")
    connection = partial(
        SMTP, _Handler(mails), data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, timeout=IDLE_TIMEOUT_S
    )
    smtp = await asyncio.get_running_loop().create_server(connection, host, int(port))
    page = urlsplit(settings.mail_page_url)
    config = uvicorn.Config(
        mail_page(mails),
        host=page.hostname or "127.0.0.1",
        port=page.port or 80,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_S,
    )
    try:
        await AnnouncedServer(config, settings, stop).serve()
    finally:
        smtp.close()


def mail_page(mails: Mailbox) -> Starlette:
    def newest(request: Request) -> list[Mail]:
        return mails.newest(MAILS_SHOWN, request.query_params.get("to"))

    def as_json(request: Request) -> JSONResponse:
        return JSONResponse({"mails": [asdict(mail) for mail in newest(request)]})

    def as_page(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(newest(request)), headers={"Content-Security-Policy": "default-src 'none'"})

    return Starlette(routes=[Route("/", as_page), Route("/mails", as_json)], middleware=[Middleware(AllowedHosts)])


def _page(mails: list[Mail]) -> str:
    shown = "".join(
        f"<article><h2>{escape(mail.subject)}</h2><p>to {escape(mail.to)}</p><pre>{escape(mail.body)}</pre></article>"
        for mail in mails
    )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>twinsaga mail</title>'
    return f"{head}<main><h1>Mail</h1>{shown or '<p>Nothing yet.</p>'}</main></html>"
