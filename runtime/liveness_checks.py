"""Does an engine answer yet? Each asks its protocol's smallest question, takes at most a second, and never raises."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from runtime.probes import NoAnswer, ask_kafka

TIMEOUT_SECONDS = 1.0
NOT_YET = (NoAnswer, OSError, TimeoutError, EOFError)  # EOFError: asyncio.IncompleteReadError


async def kafka_answers(host: str, port: int) -> bool:
    return await _in_time(ask_kafka(f"{host}:{port}"))


async def redis_answers(host: str, port: int) -> bool:
    """A server that still loads its file says -LOADING, not +PONG."""
    return await _in_time(_expect(host, port, b"PING\r\n", b"+PONG"))


async def http_answers(host: str, port: int, path: str) -> bool:
    """Servers answer in the version of HTTP that they like best."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    return await _in_time(_expect(host, port, request, b"HTTP/1.0 200", b"HTTP/1.1 200"))


async def file_exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - a look at a local file blocks nobody


async def _in_time(question: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):  # wait_for of 3.11 can swallow a cancellation
            await question
    except NOT_YET:
        return False
    return True


async def _expect(host: str, port: int, request: bytes, *beginnings: bytes) -> None:
    """All the beginnings have one length."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        if await reader.readexactly(len(beginnings[0])) not in beginnings:
            raise NoAnswer
    finally:
        writer.close()
