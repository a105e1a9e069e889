"""A uvicorn server that announces when it is ready, stops like every other process of ours, and bounds the headers."""

import socket
import threading

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.readiness import announce_ready
from runtime.settings import Settings

HEADERS_LIMIT = 64 * 1024
"""Bytes, for the first line and all headers together. What asyncio reads at a time, 256 KiB, may come on top."""
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 25\r\nconnection: close\r\n\r\n"
    b"The headers are too large"
)


class HeadersTooLarge(Exception):
    """uvicorn answers every exception of the parser by `send_400_response`."""


class BoundedHeaders(HttpToolsProtocol):
    """httptools collects a header until it is complete, also one behind a chunked body, and uvicorn collects them."""

    _unparsed = 0
    """Bytes since the last sign of progress: complete headers, a piece of a body, or the end of a request."""
    _headers_size = 0
    _too_large = False

    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEADERS_LIMIT and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        self._headers_size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_size += len(name) + len(value)
        if self._headers_size > HEADERS_LIMIT:
            self._too_large = True
            raise HeadersTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self._too_large:
            super().send_400_response(msg)
            return
        self.transport.write(TOO_LARGE)
        self.transport.close()


class AnnouncedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, settings: Settings, stop: threading.Event) -> None:
        config.http = BoundedHeaders
        super().__init__(config)
        self._settings = settings
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._settings)
        # uvicorn handles the signals from here on. One that came earlier has set the event.
        self.should_exit = self.should_exit or self._stop.is_set()
