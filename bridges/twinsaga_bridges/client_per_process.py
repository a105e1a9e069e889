"""A Temporal client for code that forks and has no event loop: one per process, made when it is first needed.

A connection of Temporal's SDK does not survive a fork, and `Client.connect` fails in a child of a process that made a
`Runtime`, unless the child brings one of its own. So each pid gets a runtime, an event loop in a daemon thread and
a client. What a child inherited stays referenced: dropping the last reference to it would hang.
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
    """`connect` is awaited with the process's own runtime: `lambda runtime: Client.connect(target, runtime=runtime)`.

    A connect that fails is tried again by the next call.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._rooms: dict[int, _Room] = {}

    def call(self, work: Callable[[Client], Awaitable[T]], deadline_s: float) -> T:
        """Do `work` on the loop's thread and wait for it.

        Raises:
            TimeoutError: not done within `deadline_s`, connecting included.
        """
        room = self._room()
        if threading.current_thread() is room.thread:
            raise RuntimeError("call() would wait for its own thread: await the work instead")
        running = room.submit(work)
        try:
            return running.result(deadline_s)
        finally:
            running.cancel()

    def start(self, work: Callable[[Client], Awaitable[None]], deadline_s: float, what: str) -> None:
        """Do `work` without waiting; what it raises is logged with `what`."""

        async def within_deadline(client: Client) -> None:
            async with asyncio.timeout(deadline_s):
                await work(client)

        def note(done: "Future[None]") -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.warning("%s: %r", what, error)

        self._room().submit(within_deadline).add_done_callback(note)

    def _room(self) -> "_Room":
        # setdefault is atomic; a lock held by another thread at the moment of a fork would stay locked in the child.
        return self._rooms.setdefault(os.getpid(), _Room(self._connect))


class _Room:
    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self._runtime: Runtime | None = None
        self._connecting: asyncio.Lock | None = None
        self._client: Client | None = None

    def submit(self, work: Callable[[Client], Awaitable[T]]) -> "Future[T]":
        async def connected() -> T:
            return await work(await self._connected())

        return asyncio.run_coroutine_threadsafe(connected(), self._started())

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._connecting = asyncio.Lock()
                self.thread = threading.Thread(target=self._serve, name="temporal-client", daemon=True)
                self.thread.start()
            return self._loop

    def _serve(self) -> None:
        assert self._loop is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(RuntimeError):  # the interpreter ends
            self._loop.run_forever()

    async def _connected(self) -> Client:
        assert self._connecting is not None  # noqa: S101 - for the type checker
        async with self._connecting:
            if self._runtime is None:
                self._runtime = Runtime(telemetry=TelemetryConfig())
            if self._client is None:
                self._client = await self._connect(self._runtime)
            return self._client
