"""`twinsaga serve mail`: an SMTP server for the embedded stack that keeps every mail, and a page that shows them."""

import asyncio
import threading
from html import escape
from urllib.parse import urlsplit

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from processes.mailbox import Mail, Mailbox
from processes.uvicorn_server import AnnouncedServer
from runtime.settings import Settings
from runtime.stopping import stop_event

MAX_MAIL_BYTES = 1_000_000
IDLE_TIMEOUT_S = 30
MAILS_SHOWN = 200
STOP_S = 3


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
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: _smtp(mails), host, int(port))
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


def _smtp(mails: Mailbox) -> SMTP:
    return SMTP(_Handler(mails), data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, timeout=IDLE_TIMEOUT_S)


def mail_page(mails: Mailbox) -> Starlette:
    def newest(request: Request) -> list[Mail]:
        return mails.newest(MAILS_SHOWN, request.query_params.get("to"))

    def as_json(request: Request) -> JSONResponse:
        return JSONResponse({"mails": [mail.as_json() for mail in newest(request)]})

    def as_page(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(newest(request)), headers={"Content-Security-Policy": "default-src 'none'"})

    return Starlette(routes=[Route("/", as_page), Route("/mails", as_json)])


def _page(mails: list[Mail]) -> str:
    shown = "".join(
        f"<article><h2>{escape(mail.subject)}</h2><p>to {escape(mail.to)}</p><pre>{escape(mail.body)}</pre></article>"
        for mail in mails
    )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>twinsaga mail</title>'
    return f"{head}<main><h1>Mail</h1>{shown or '<p>Nothing yet.</p>'}</main></html>"
