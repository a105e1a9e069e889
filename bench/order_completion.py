"""Sees how orders end, in the Order service's own database: to ask the API would cost what is measured.

SQLite only, where one event is committed after the other. A look reads those that are new, in a few hundredths of a
millisecond, so it does not leave the event loop.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

WAIT_S = 5.0
_ENDED_SINCE = """
    SELECT seq, orders.order_id, status, reason, placed_at, finished_at
    FROM event_log JOIN orders ON orders.order_id = event_log.order_id
    WHERE seq > ? AND type IN ('order.confirmed', 'order.cancelled')
    ORDER BY seq
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """The moments are those that the services wrote down."""

    status: str
    reason: str | None
    placed_at: datetime
    finished_at: datetime

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.placed_at).total_seconds()


class OrderEnds:
    def __init__(self, folder: Path, *, every_s: float) -> None:
        self._file = folder / "orders.db"
        self._every_s = every_s
        self._ends: dict[str, asyncio.Future[OrderEnd]] = {}
        self._seen = 0

    async def end_of(self, order_id: str) -> OrderEnd:
        """Of an order that was placed since somebody is `looking`."""
        ended: OrderEnd = await self._end(order_id)
        del self._ends[order_id]
        return ended

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """A look that fails ends the block."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=WAIT_S)) as connection:
            (self._seen,) = connection.execute("SELECT coalesce(max(seq), 0) FROM event_log").fetchone()
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(self._look_again_and_again(connection))
                try:
                    yield
                finally:
                    task.cancel()

    async def _look_again_and_again(self, connection: sqlite3.Connection) -> None:
        while True:
            self._look(connection)
            await asyncio.sleep(self._every_s)

    def _look(self, connection: sqlite3.Connection) -> None:
        for seq, order_id, status, reason, placed_at, finished_at in connection.execute(_ENDED_SINCE, [self._seen]):
            self._seen = seq
            end = self._end(order_id)
            if not end.done():  # who waited for it may have been cancelled
                end.set_result(OrderEnd(status, reason, _moment(placed_at), _moment(finished_at)))

    def _end(self, order_id: str) -> "asyncio.Future[OrderEnd]":
        if order_id not in self._ends:
            self._ends[order_id] = asyncio.get_running_loop().create_future()
        return self._ends[order_id]


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
