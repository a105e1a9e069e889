"""A Temporal client for programs that fork and have no event loop: one per process, connected on first use.

A connection of Temporal's SDK does not survive a fork. `Client.connect` fails in a child process whose parent created
a `Runtime`, unless the child creates its own. So each process id gets a runtime, an event loop in a daemon thread and
a client. A child keeps its references to the parent's objects: destroying them would hang.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig

T = TypeVar("T")
Connect = Callable[[Runtime], Awaitable[Client]]

log = logging.getLogger(__name__)


class ClientPerProcess:
    """`connect` gets the process's own runtime: `lambda runtime: Client.connect(target, runtime=runtime)`.

    After a failed connect, the next call connects again.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._loops: dict[int, _ClientLoop] = {}

    def call(self, work: Callable[[Client], Awaitable[T]], deadline_s: float) -> T:
        """Run `work` on the loop's thread. Raises TimeoutError after `deadline_s`, the time to connect included."""
        loop = self._loop()
        if threading.current_thread() is loop.thread:
            raise RuntimeError("call() would wait for its own thread: await the work instead")
        running = loop.submit(work)
        try:
            return running.result(deadline_s)
        finally:
            running.cancel()

    def start(self, work: Callable[[Client], Awaitable[None]], deadline_s: float, what: str) -> None:
        """Run `work` in the background. Its exception is logged, after the description `what`."""

        async def within_deadline(client: Client) -> None:
            async with asyncio.timeout(deadline_s):
                await work(client)

        def log_error(done: "Future[None]") -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.warning("%s: %r", what, error)

        self._loop().submit(within_deadline).add_done_callback(log_error)

    def _loop(self) -> "_ClientLoop":
        # setdefault is atomic. A lock would not do: if a thread holds it during a fork, it stays locked in the child.
        return self._loops.setdefault(os.getpid(), _ClientLoop(self._connect))


class _ClientLoop:
    """The event loop, runtime and client of one process."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._starting = threading.Lock()
        self._connecting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self._runtime: Runtime | None = None
        self._client: Client | None = None

    def submit(self, work: Callable[[Client], Awaitable[T]]) -> "Future[T]":
        async def connected() -> T:
            return await work(await self._connected())

        return asyncio.run_coroutine_threadsafe(connected(), self._started())

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self.thread = threading.Thread(target=_serve, args=[self._loop], name="temporal-client", daemon=True)
                self.thread.start()
            return self._loop

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._runtime is None:
                self._runtime = Runtime(telemetry=TelemetryConfig())
            if self._client is None:
                self._client = await self._connect(self._runtime)
            return self._client


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # raised when the interpreter shuts down
        loop.run_forever()
