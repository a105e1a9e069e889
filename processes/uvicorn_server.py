"""A uvicorn server that announces when it is ready, stops like every other process of ours, and bounds connections."""

import asyncio
import math
import resource
import socket
import threading
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.security_headers import SECURITY_HEADERS
from runtime.readiness import announce_ready
from runtime.settings import Settings

HEADERS_LIMIT = 64 * 1024
"""Bytes, for the first line and all headers together. What asyncio reads at a time, 256 KiB, may come on top."""
HEADERS_DEADLINE_S = 10.0
"""From the start of a connection, or the end of the last answer, to the last header. uvicorn sets no such deadline: a
client that sends one byte now and then would keep its connection for ever."""
MAX_CONNECTIONS = 2_000
OPEN_FILES = 2 * MAX_CONNECTIONS
"""Connections are files. The usual limit of a process is 1,024."""


class HeadersTooLarge(Exception):
    """uvicorn answers every exception of the parser by `send_400_response`."""


class BoundedConnection(HttpToolsProtocol):
    """Bounds the headers: httptools collects each until it is complete, also one behind a chunked body.

    Bounds the connections, too: above MAX_CONNECTIONS the one that has waited longest for a request is closed.
    """

    _unparsed = 0
    """Bytes since the last sign of progress: complete headers, a piece of a body, or the end of a request."""
    _headers_size = 0
    _refusal = HTTPStatus.BAD_REQUEST
    _deadline: asyncio.TimerHandle | None = None
    """Set while the connection waits for a request."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > MAX_CONNECTIONS:
            ours = (each for each in self.connections if isinstance(each, BoundedConnection))
            min(ours, key=BoundedConnection.waits_until).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEADERS_LIMIT and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._headers_size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_size += len(name) + len(value)
        if self._headers_size > HEADERS_LIMIT:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise HeadersTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._await_request()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(self._refusal)

    def waits_until(self) -> float:
        return math.inf if self._deadline is None else self._deadline.when()

    def _await_request(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEADERS_DEADLINE_S, self._end_wait)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_wait(self) -> None:
        self._deadline = None
        if self._unparsed:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer what the app never sees."""
        body = status.phrase.encode()
        headers = {"content-type": "text/plain; charset=utf-8", "content-length": len(body), "connection": "close"}
        lines = [f"{name}: {value}\r\n" for name, value in (headers | dict(SECURITY_HEADERS)).items()]
        self.transport.write(f"HTTP/1.1 {status} {status.phrase}\r\n{''.join(lines)}\r\n".encode() + body)
        self.transport.close()


class AnnouncedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, settings: Settings, stop: threading.Event) -> None:
        config.http = BoundedConnection
        super().__init__(config)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most) if most >= 0 else OPEN_FILES, most))
        self._settings = settings
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._settings)
        # uvicorn handles the signals from here on. One that came earlier has set the event.
        self.should_exit = self.should_exit or self._stop.is_set()
