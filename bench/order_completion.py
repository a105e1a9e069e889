"""Watches for the end of orders in the Order service's database.

Polling the API instead would cost the API the processor time that is measured. SQLite only: there, events are committed
one after the other, so a poll that reads on from the last `seq` misses none.
"""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

LOCK_TIMEOUT_S = 5.0
_FINISHED_SINCE = """
    SELECT seq, orders.order_id, status, reason, placed_at, finished_at
    FROM event_log JOIN orders ON orders.order_id = event_log.key
    WHERE seq > ? AND type IN ('order.confirmed', 'order.cancelled')
    ORDER BY seq
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OrderCompletion:
    """How an order ended, with the times that the services wrote."""

    status: str
    reason: str | None
    placed_at: datetime
    finished_at: datetime

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.placed_at).total_seconds()


class CompletionWatcher:
    """`folder` is the stack's data folder; `poll_s` the pause between two polls in seconds."""

    def __init__(self, folder: Path, *, poll_s: float) -> None:
        self._file = folder / "orders.db"
        self._poll_s = poll_s
        # By order id. An order may end before its id has come back to the customer, so either side makes the future.
        self._completions: defaultdict[str, asyncio.Future[OrderCompletion]] = defaultdict(asyncio.Future)
        self._last_seq = 0

    async def completion_of(self, order_id: str) -> OrderCompletion:
        """Wait for the end of an order that was placed during `watching`."""
        completion: OrderCompletion = await self._completions[order_id]
        del self._completions[order_id]
        return completion

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Poll during the block. A poll that fails ends the block."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_S)) as connection:
            # Orders that ended before the watch are of no interest, and may be a hundred thousand.
            (self._last_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM event_log").fetchone()
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self._poll_repeatedly(connection))
                try:
                    yield
                finally:
                    task.cancel()

    async def _poll_repeatedly(self, connection: sqlite3.Connection) -> None:
        while True:
            # The query takes a few hundredths of a millisecond, so it may run on the event loop.
            finished = connection.execute(_FINISHED_SINCE, [self._last_seq])
            for seq, order_id, status, reason, placed_at, finished_at in finished:
                self._last_seq = seq
                future = self._completions[order_id]
                if not future.done():  # the task that waited for it may have been cancelled
                    future.set_result(OrderCompletion(status, reason, _moment(placed_at), _moment(finished_at)))
            await asyncio.sleep(self._poll_s)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
