"""Breaks a running embedded stack on purpose: signals to processes, locks on databases, repeated deliveries."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime

from temporalio.client import Client

from comparison.child_processes import process_ids
from comparison.stack_meter import is_running
from domain.ids import OrderId
from domain.order import SagaStyle
from messaging.sql.outbox import Outbox
from runtime.errors import CannotRun
from runtime.settings import Settings
from runtime.temporal import start_saga
from runtime.wiring import Services

POLL_S = 0.02
RESTARTED_WITHIN_S = 60.0
LOCKED_WITHIN_S = 10.0


class StackControl:
    """`settings` and `services` are those of the stack. Its supervisor restarts killed processes."""

    def __init__(self, settings: Settings, services: Services, temporal: Client) -> None:
        self._settings = settings
        self._services = services
        self._temporal = temporal
        self._killed: dict[str, int] = {}

    async def kill(self, process: str) -> datetime:
        """Send SIGKILL and wait until the process is gone. Return the time of the signal."""
        pid = self._pids()[process]
        self._killed[process] = pid
        os.kill(pid, signal.SIGKILL)
        at = datetime.now(UTC)
        # The fault ends with the process. Its sockets and locks are free only when it is gone.
        while is_running(pid):  # noqa: ASYNC110 - the end of another process sets no event here
            await asyncio.sleep(POLL_S)
        return at

    async def wait_until_restarted(self) -> None:
        """Wait until every killed process runs again. Raises CannotRun after RESTARTED_WITHIN_S."""
        try:
            async with asyncio.timeout(RESTARTED_WITHIN_S):
                while self._not_restarted():  # noqa: ASYNC110 - the ready file of another process changes
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            names = ", ".join(self._killed)
            raise CannotRun(f"not restarted within {RESTARTED_WITHIN_S:.0f} s: one of {names}") from None
        self._killed.clear()

    @asynccontextmanager
    async def suspended(self, process: str) -> AsyncIterator[None]:
        """Send SIGSTOP, and SIGCONT at the end of the block unless the process was killed in it."""
        pid = self._pids()[process]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            # The id of a killed process may belong to another one by now.
            if self._killed.get(process) != pid:
                os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def write_locked(self, database: str) -> AsyncIterator[None]:
        """Hold the write lock of a database: writers wait until their own timeout, readers are not affected."""
        file = self._settings.data_dir / f"{database}.db"
        with closing(
            sqlite3.connect(file, timeout=LOCKED_WITHIN_S, isolation_level=None, check_same_thread=False)
        ) as connection:
            # BEGIN IMMEDIATE takes the write lock without writing. In a thread, since it may wait for other writers.
            await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    async def redeliver(self, style: SagaStyle, order_ids: Sequence[OrderId]) -> None:
        """Deliver the engine's input for these orders again: each event, or each start of a saga."""
        if style is SagaStyle.CHOREOGRAPHED:
            for database in self._services.databases.journals:
                await asyncio.to_thread(Outbox(database).publish_again, order_ids)
            return
        for order_id in order_ids:
            # The same workflow id: Temporal must find the saga instead of starting a second one.
            record = await asyncio.to_thread(self._services.orders.find, order_id)
            await start_saga(self._temporal, record.request, self._settings)

    def _not_restarted(self) -> bool:
        pids = self._pids()
        return any(pids.get(name, pid) == pid for name, pid in self._killed.items())

    def _pids(self) -> Mapping[str, int]:
        return process_ids(self._settings.data_dir)
