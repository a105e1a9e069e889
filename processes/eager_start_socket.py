"""On one machine the saga worker starts the sagas for the API, since who has the worker gets the first task at once.

The answer to the start then brings the first workflow task (Temporal's eager start), which else waits in a queue, with
many orders under way behind other first tasks. The API asks over a Unix socket: an order request as a line of JSON,
answered by a line. Where nobody answers the API starts the saga itself; a saga that is started twice is one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from adapters.codec import decode_request, encode_request
from domain.order import OrderRequest
from processes.circuit_breaker import CircuitBreaker

STARTED, NOT_STARTED = b"started\n", b"not started\n"
ANSWER_WITHIN_S = 2.0
LEFT_ALONE_S = 5.0
LONGEST_LINE = 128 * 1024
"""Bytes. The API takes no body of more than half of that."""

Start = Callable[[OrderRequest], Awaitable[object]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

log = structlog.get_logger(__name__)


def socket_in(run_folder: Path | None) -> Path | None:
    """`run_folder` is that of the embedded stack; without one there is no worker at hand."""
    return run_folder and run_folder / "saga-starts.sock"


@asynccontextmanager
async def starts_taken(socket: Path | None, start: Start) -> AsyncIterator[None]:
    """Start what is asked for at the socket, if there is one. Who is connected at the end of the block is cut off."""
    if socket is None:
        yield
        return
    connected: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)
        try:
            while line := await reader.readline():
                writer.write(await _answer_to(line, start))
        except (OSError, ValueError) as fault:  # ValueError: a line that is too long
            log.warning("a caller of the saga worker is cut off", error=repr(fault))
        finally:
            connected.discard(writer)
            writer.close()

    server = await _listening(socket, serve)
    try:
        yield
    finally:
        if server is not None:
            server.close()
        for writer in connected:
            writer.close()


class StartsByWorker:
    """Asks the saga worker. One that failed to answer is left alone for a while: the API can do without it."""

    def __init__(
        self,
        socket: Path | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._socket = socket
        self._answer_within_s = answer_within_s
        self._worker = CircuitBreaker(LEFT_ALONE_S, clock)
        self._idle: list[Connection] = []

    async def start(self, request: OrderRequest) -> bool:
        """Return whether the worker started it. If not, whether it was started is unknown."""
        if self._socket is None or not self._worker.allows():
            return False
        try:
            async with asyncio.timeout(self._answer_within_s):
                started = await self._answer_to(encode_request(request) + b"\n") == STARTED
        except (OSError, TimeoutError):
            self._worker.failed()
            return False
        self._worker.answered()
        return started

    async def _answer_to(self, line: bytes) -> bytes:
        """Raises OSError when there is no worker any more."""
        if self._idle:
            with suppress(OSError):  # it may have been idle since before the worker was started again
                return await self._asked(self._idle.pop(), line)
        return await self._asked(await asyncio.open_unix_connection(self._socket), line)

    async def _asked(self, connection: Connection, line: bytes) -> bytes:
        reader, writer = connection
        answered = b""
        try:
            writer.write(line)
            answered = await reader.readline()
        finally:
            if answered:
                self._idle.append(connection)
            else:
                writer.close()
        if not answered:
            raise ConnectionError("the saga worker hung up")
        return answered

    async def close(self) -> None:
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _listening(
    socket: Path, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> asyncio.Server | None:
    """Return None where it cannot be made, as where the path is longer than the system allows: it is not needed."""
    try:
        return await asyncio.start_unix_server(serve, socket, limit=LONGEST_LINE)
    except OSError as impossible:
        log.warning("the API starts the sagas itself", error=str(impossible))
        return None


async def _answer_to(line: bytes, start: Start) -> bytes:
    try:
        await start(decode_request(line))
    except Exception as error:  # noqa: BLE001 - whatever it was, the API tries it itself
        log.warning("not started", error=type(error).__name__)
        return NOT_STARTED
    return STARTED
