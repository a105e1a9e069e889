"""What is seen on the way to a figure: where an order's time goes, and whose processor it takes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from statistics import median

from sqlalchemy import select

from adapters.sql.journal_tables import event_log
from bench.target import BenchTarget
from runtime.wiring import Databases

BENCH = "bench"
"""The process that places the orders and starts the workflows."""


class Notes:
    """Seconds by what they are about and by name, each time that they were seen."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, list[float]]] = {}

    def add(self, about: str, seconds: Mapping[str, float]) -> None:
        for name, value in seconds.items():
            self._seen.setdefault(about, {}).setdefault(name, []).append(value)

    def medians(self) -> dict[str, dict[str, float]]:
        return {about: {name: median(seen) for name, seen in names.items()} for about, names in self._seen.items()}

    @contextmanager
    def cpu_of_each(self, about: str, stand: BenchTarget, count: int) -> Iterator[None]:
        """Note the CPU time of each process of the stack and of the bench, divided by `count`, of what is done here."""
        before = {**stand.all_cpu(), BENCH: time.process_time()}
        yield
        after = {**stand.all_cpu(), BENCH: time.process_time()}
        self.add(f"CPU: {about}", {name: (after[name] - cpu) / count for name, cpu in before.items() if name in after})


def legs(databases: Databases, placed: Mapping[str, datetime]) -> dict[str, float]:
    """For each event the median time since the one before it, or since the order was placed."""
    told: dict[str, list[tuple[datetime, str]]] = {order_id: [] for order_id in placed}
    wanted = select(event_log.c.order_id, event_log.c.at, event_log.c.type).where(event_log.c.order_id.in_(placed))
    for database in databases.journals:
        with database.reading() as connection:
            for order_id, at, kind in connection.execute(wanted):
                told[order_id].append((at, kind))
    found: dict[str, list[float]] = {}
    for order_id, at in placed.items():
        for kind, seconds in _between(at, sorted(told[order_id])):
            found.setdefault(kind, []).append(seconds)
    return {kind: median(seconds) for kind, seconds in found.items()}


def _between(placed_at: datetime, events: Sequence[tuple[datetime, str]]) -> Iterator[tuple[str, float]]:
    before = placed_at
    for at, kind in events:
        yield kind, (at - before).total_seconds()
        before = at
