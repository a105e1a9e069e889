"""Places the bench's orders over HTTP with little around it: what that takes is missing where it is measured.

Of the processor a call takes 4 ms with httpx, 0.9 ms with `http.client` in threads, and 0.5 ms like this: with 16 in
flight, on connections that stay open.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

from bench.closed_loop import BenchmarkFailed

HTTP_PORT = 80
SHOWN = 200
"""Bytes of an answer that is no acceptance."""
_NO_ANSWER = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)


class _ClosedMeanwhile(ConnectionError):
    """The server closed the connection. If it was idle before, what was sent may never have reached anybody."""


@dataclass(frozen=True, slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer_to(self, request: bytes) -> tuple[int, bytes]:
        """Return the status and the body.

        Raises:
            _ClosedMeanwhile: no answer came back.
            ValueError: what came back is no HTTP with a Content-Length.
        """
        try:
            self.writer.write(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (EOFError, ConnectionError) as cut:
            raise _ClosedMeanwhile("closed before it answered") from cut
        first, *fields = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        status, length = int(first.split(" ")[1]), int(named.get("content-length", ""))
        return status, await self.reader.readexactly(length)

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class OrderCalls:
    """`POST /orders`, each with an idempotency key of its own, on as many connections as there are calls at a time."""

    def __init__(self, api: str, deadline_s: float) -> None:
        address = urlsplit(api)
        self._host, self._port = str(address.hostname), address.port or HTTP_PORT
        self._head = f"POST /orders HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        self._deadline_s = deadline_s
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def place(self, order: bytes) -> str:
        """Return the id of the order, which is given as JSON.

        Raises:
            DidNotWork: it was not accepted, or not answered within the deadline.
        """
        head = f"{self._head}Content-Length: {len(order)}\r\nIdempotency-Key: {uuid4().hex}\r\n\r\n"
        try:
            async with asyncio.timeout(self._deadline_s):
                status, body = await self._answered(head.encode() + order)
        except TimeoutError as late:
            raise BenchmarkFailed(f"POST /orders: no answer within {self._deadline_s:g} s") from late
        except _NO_ANSWER as failure:
            raise BenchmarkFailed(f"POST /orders: {failure!r}") from failure
        if status != HTTPStatus.ACCEPTED:
            raise BenchmarkFailed(f"POST /orders: {status} {body[:SHOWN].decode(errors='replace')}")
        return str(json.loads(body)["order_id"])

    async def _answered(self, request: bytes) -> tuple[int, bytes]:
        while self._idle:
            with suppress(_ClosedMeanwhile):  # sent again: by its key it is the same order, if it did arrive
                return await self._sent(self._idle.pop(), request)
        return await self._sent(_Connection(*await asyncio.open_connection(self._host, self._port)), request)

    async def _sent(self, connection: _Connection, request: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.answer_to(request)
        except BaseException:
            connection.writer.close()
            raise
        self._idle.append(connection)
        return answer
