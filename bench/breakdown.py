"""Details beside the figures: where the time of an order goes, and which process uses how much processor time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from statistics import median

from sqlalchemy import select

from bench.target import BenchTarget
from messaging.sql.journal_tables import event_log
from runtime.wiring import Databases

BENCH = "bench"
"""The name of this process, which places the orders and starts the workflows."""


class Breakdown:
    """Collects seconds by subject and name, one value for each block."""

    def __init__(self) -> None:
        self._seconds: dict[str, dict[str, list[float]]] = {}

    def add(self, subject: str, seconds: Mapping[str, float]) -> None:
        for name, value in seconds.items():
            self._seconds.setdefault(subject, {}).setdefault(name, []).append(value)

    def medians(self) -> dict[str, dict[str, float]]:
        return {
            subject: {name: median(values) for name, values in names.items()}
            for subject, names in self._seconds.items()
        }

    @contextmanager
    def cpu_per_item(self, subject: str, target: BenchTarget, count: int) -> Iterator[dict[str, float]]:
        """Add the CPU time that each process of the stack, and this one, uses in the block, divided by `count`.

        Yields a mapping, which has these seconds after the block.
        """
        seconds: dict[str, float] = {}
        before = {**target.cpu(), BENCH: time.process_time()}
        yield seconds
        after = {**target.cpu(), BENCH: time.process_time()}
        # A process that is being restarted is left out.
        seconds |= {name: (after[name] - cpu) / count for name, cpu in before.items() if name in after}
        self.add(f"CPU: {subject}", seconds)


def step_latencies(databases: Databases, placed: Mapping[str, datetime]) -> dict[str, float]:
    """Return, by event type, the median seconds since the event before it, or since the order was placed.

    `placed`: the order ids, and when each order was placed.
    """
    events: dict[str, list[tuple[datetime, str]]] = {order_id: [] for order_id in placed}
    query = select(event_log.c.key, event_log.c.at, event_log.c.type).where(event_log.c.key.in_(placed))
    for database in databases.journals:
        with database.reading() as connection:
            for order_id, at, event_type in connection.execute(query):
                events[order_id].append((at, event_type))
    found: dict[str, list[float]] = {}
    for order_id, placed_at in placed.items():
        for (before, _), (at, event_type) in pairwise([(placed_at, ""), *sorted(events[order_id])]):
            found.setdefault(event_type, []).append((at - before).total_seconds())
    return {event_type: median(seconds) for event_type, seconds in found.items()}
