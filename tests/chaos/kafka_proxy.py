"""A TCP proxy that knows just enough of the Kafka protocol to hold one kind of message at a chosen moment.

Request frame: int32 length, int16 API key, int16 version, int32 correlation id, ... (https://kafka.apache.org/protocol).
A response repeats the correlation id. Held frames are never delivered: `cut` closes their connections.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class ApiKey(IntEnum):
    PRODUCE = 0
    OFFSET_COMMIT = 8


@dataclass(slots=True, kw_only=True)
class Hold:
    """Holds requests of one kind that contain some bytes, or, with `answers`, the broker's answers to them."""

    key: ApiKey
    containing: bytes
    answers: bool
    held: threading.Event = field(default_factory=threading.Event)
    active: bool = True


Holds = Callable[[bytes, set[int]], bool]
"""Takes a frame and the correlation ids whose answers are withheld."""


class KafkaProxy:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.upstream_port = 0
        self._holds: list[Hold] = []
        self._sockets: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def holding(self, key: ApiKey, containing: bytes, *, answers: bool = False) -> Iterator[Hold]:
        hold = Hold(key=key, containing=containing, answers=answers)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.active = False
            self._holds.remove(hold)
            self.cut()

    def cut(self) -> None:
        """Close every connection; clients make new ones."""
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.upstream_port)) as broker,
        ):
            self._sockets |= {client, broker}
            withheld: set[int] = set()
            answers = threading.Thread(target=self._pump, args=(broker, client, self._holds_answer, withheld))
            answers.start()
            self._pump(client, broker, self._holds_request, withheld)
            answers.join()
            self._sockets -= {client, broker}

    def _pump(self, source: socket.socket, target: socket.socket, holds: Holds, withheld: set[int]) -> None:
        with contextlib.suppress(OSError):
            while frame := _frame(source):
                if not holds(frame, withheld):
                    target.sendall(struct.pack(">i", len(frame)) + frame)
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _holds_request(self, frame: bytes, withheld: set[int]) -> bool:
        key, _, correlation = struct.unpack_from(">hhi", frame)
        for hold in self._holds:
            if hold.key == key and hold.containing in frame:
                if hold.answers:
                    withheld.add(correlation)
                    return False
                hold.held.set()
                return True
        return False

    def _holds_answer(self, frame: bytes, withheld: set[int]) -> bool:
        (correlation,) = struct.unpack_from(">i", frame)
        if correlation not in withheld:
            return False
        for hold in self._holds:
            if hold.answers:
                hold.held.set()
        return True


def _frame(source: socket.socket) -> bytes | None:
    head = _exactly(source, 4)
    return _exactly(source, struct.unpack(">i", head)[0]) if head else None


def _exactly(source: socket.socket, size: int) -> bytes | None:
    chunks = bytearray()
    while len(chunks) < size:
        chunk = source.recv(size - len(chunks))
        if not chunk:
            return None
        chunks += chunk
    return bytes(chunks)
