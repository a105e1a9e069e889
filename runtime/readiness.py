"""How a process announces that it is ready, and how the supervisor and `twinsaga health` check processes and engines.

A process writes its process id to the file that the setting `serve_ready_file` names.
"""

import asyncio
import os
import ssl
import struct
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from runtime.settings import Settings

TIMEOUT_SECONDS = 1.0


class NoAnswer(Exception):
    """A server listens there, but its answer does not follow the protocol."""


UNANSWERED = (NoAnswer, OSError, TimeoutError, EOFError)  # EOFError: asyncio.IncompleteReadError


def announce_ready(settings: Settings) -> None:
    """Do nothing if the process is not supervised."""
    if settings.serve_ready_file is not None:
        part = settings.serve_ready_file.with_suffix(".part")
        part.touch(0o600)
        part.write_text(f"{os.getpid()}\n")
        part.replace(settings.serve_ready_file)


def runs(ready_file: Path) -> bool:
    """Whether the process that wrote the file is still running."""
    try:
        state = Path(f"/proc/{int(ready_file.read_text())}/stat").read_text()
    except (OSError, ValueError):
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def file_exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - a stat of a local file does not block


# The checks of engines below send the smallest request of the protocol, take at most a second, and never raise.


async def kafka_answers(host: str, port: int) -> bool:
    return await _in_time(ask_kafka(f"{host}:{port}"))


async def redis_answers(host: str, port: int) -> bool:
    """False while the server loads its file: it replies -LOADING then."""
    return await _in_time(_expect(host, port, b"PING\r\n", b"+PONG"))


async def http_answers(host: str, port: int, path: str) -> bool:
    # Some servers reply to a request of HTTP/1.0 with HTTP/1.1.
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    return await _in_time(_expect(host, port, request, b"HTTP/1.0 200", b"HTTP/1.1 200"))


async def _in_time(request: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):  # wait_for of 3.11 can swallow a cancellation
            await request
    except UNANSWERED:
        return False
    return True


async def _expect(host: str, port: int, request: bytes, *replies: bytes) -> None:
    """`replies` are the accepted beginnings of a reply, all of one length. Raises NoAnswer for another one."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        if await reader.readexactly(len(replies[0])) not in replies:
            raise NoAnswer
    finally:
        writer.close()


async def ask_kafka(bootstrap: str, tls: ssl.SSLContext | None = None) -> None:
    """Send ApiVersions (v0), the one request that a broker answers without authentication.

    By hand, because a client would keep a connection and a thread. One of several brokers must answer.
    """
    *others, last = bootstrap.split(",")
    for address in others:
        with suppress(OSError, EOFError, NoAnswer):
            await _ask_broker(address, tls)
            return
    await _ask_broker(last, tls)


async def _ask_broker(address: str, tls: ssl.SSLContext | None) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    try:
        correlation_id = uuid4().int & 0x7FFF_FFFF
        request = struct.pack(">hhih", 18, 0, correlation_id, -1)
        writer.write(struct.pack(">i", len(request)) + request)
        await writer.drain()
        _, answered = struct.unpack(">ii", await reader.readexactly(8))
        if answered != correlation_id:
            raise NoAnswer(f"{address} answered another request")
    finally:
        writer.close()
