"""Mails are sent to a real SMTP server that accepts them, refuses them, or is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.mail import MailFault, MailRefused, MailServer
from processes.mail_sink import Mailbox
from tests.support.ports import free_port


class Answering:
    """Answers every mail with the same reply."""

    def __init__(self, reply: str, mails: Mailbox) -> None:
        self._reply = reply
        self._mails = mails

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self._reply.startswith("250"):
            self._mails.add(bytes(envelope.content or b""))  # type: ignore[arg-type] # never text
        return self._reply


@pytest.fixture
def mails(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mail")


@asynccontextmanager
async def answering(reply: str, mails: Mailbox) -> AsyncIterator[MailServer]:
    port = free_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Answering(reply, mails)), "127.0.0.1", port)
    yield MailServer(host="127.0.0.1", port=port, sender="shop@example.com")
    server.close()
    await server.wait_closed()


async def send(server: MailServer, subject: str = "Olá, Ana") -> None:
    await asyncio.to_thread(server.send, "id-1", "ana@example.com", subject, "Até já,\n.\nthe shop\n")


async def test_a_mail_arrives_as_it_was_written(mails: Mailbox) -> None:
    async with answering("250 OK", mails) as server:
        await send(server)

    (mail,) = mails.newest(10, to="ana@example.com")
    assert (mail.message_id, mail.sender) == ("<id-1@twinsaga>", "shop@example.com")
    assert (mail.subject, mail.body) == ("Olá, Ana", "Até já,\n.\nthe shop\n")
    assert mails.newest(10, to="eva@example.com") == []


@pytest.mark.parametrize(("reply", "error"), [("451 later", MailFault), ("554 never", MailRefused)])
async def test_a_permanent_reply_is_a_refusal_and_a_temporary_one_a_fault(
    mails: Mailbox, reply: str, error: type[Exception]
) -> None:
    async with answering(reply, mails) as server:
        with pytest.raises(error):
            await send(server)


async def test_a_header_cannot_be_injected(mails: Mailbox) -> None:
    async with answering("250 OK", mails) as server:
        with pytest.raises(MailRefused):
            await send(server, "Hello\r\nBcc: everybody@example.com")

    assert mails.newest(10) == []


async def test_a_server_that_is_away_is_a_fault() -> None:
    with pytest.raises(MailFault):
        await send(MailServer(host="127.0.0.1", port=free_port(), sender="shop@example.com"))


def test_the_newest_mails_are_kept_and_come_first(tmp_path: Path) -> None:
    mails = Mailbox(tmp_path / "mail", max_mails=3)
    for number in range(12):
        mails.add(f"To: ana@example.com\nSubject: {number}\n\nbody\n".encode())

    assert [mail.subject for mail in mails.newest(100)] == ["11", "10", "9"]
