"""Measures of an order and of a block of orders. Each has one definition for both styles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles

from comparison.stack import ENGINE_DATABASE, SERVICE_DATABASES, Reading
from services.vocabulary import TOPICS

EFFECTS = frozenset({"payment.completed", "inventory.reserved", "shipping.scheduled"})
UNDOS = frozenset({"payment.refunded", "inventory.released", "shipping.cancelled"})
CONSISTENT_AGAIN = UNDOS | {"order.confirmed"}

ENOUGH_FOR_P95, ENOUGH_FOR_P99 = 20, 100
"""Of fewer orders, such a percentile would be the slowest order under another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    event_id: str
    type: str
    service: str
    at: datetime
    caused_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredOrder:
    """One order at the end of its block, finished or not. The times come from the services' own clocks."""

    order_id: str
    status: str
    reason: str | None
    placed_at: datetime
    finished_at: datetime | None
    events: Sequence[TimelineEvent]
    attempts: Mapping[str, int]
    history_events: int
    operator_actions: int

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.placed_at).total_seconds() if self.finished_at else None

    @property
    def inconsistent_seconds(self) -> float:
        """From the first recorded effect to the last undo, or to the confirmation; 0 without an effect."""
        began = [event.at for event in self.events if event.type in EFFECTS]
        ended = [event.at for event in self.events if event.type in CONSISTENT_AGAIN]
        return max(0.0, (max(ended) - min(began)).total_seconds()) if began and ended else 0.0

    @property
    def systems(self) -> int:
        """Systems that one has to read to see the whole order: one workflow history, or an event log per service."""
        return 1 if self.history_events else len({event.service for event in self.events})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Resources of the machine that a block used. A process that was restarted lost its counters and is left out."""

    seconds: float
    cpu: Mapping[str, float]
    commits: Mapping[str, int]
    records: Mapping[str, int]

    @property
    def service_commits(self) -> int | None:
        return _sum_of(self.commits, SERVICE_DATABASES)

    @property
    def engine_commits(self) -> int | None:
        return self.commits.get(ENGINE_DATABASE)

    @property
    def saga_records(self) -> int | None:
        return _sum_of(self.records, TOPICS)


def used_between(before: Reading, after: Reading) -> Usage:
    """Return the difference of two readings, without restarted processes and without counters that went back."""
    same = {name for name, pid in before.pids.items() if after.pids.get(name) == pid}
    commits = _grown(before.commits, after.commits)
    # Temporal and Kafka count since their start, so after a restart the counters of their data are lost as well.
    if "temporal" not in same:
        commits.pop(ENGINE_DATABASE, None)
    return Usage(
        seconds=after.at - before.at,
        cpu={name: after.cpu[name] - cpu for name, cpu in before.cpu.items() if name in same and name in after.cpu},
        commits=commits,
        records=_grown(before.records, after.records) if "kafka" in same else {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from placed to finished. The distance of the blocks' medians is the spread."""

    p50: float
    p95: float | None
    p99: float | None
    longest: float
    p50_by_block: tuple[float, ...]
    all: tuple[float, ...]


def latency_of(blocks: Sequence[Sequence[float]]) -> Latency | None:
    """Return None if no order finished."""
    every = [seconds for block in blocks for seconds in block]
    if not every:
        return None
    return Latency(
        p50=percentile(every, 50),
        p95=percentile(every, 95) if len(every) >= ENOUGH_FOR_P95 else None,
        p99=percentile(every, 99) if len(every) >= ENOUGH_FOR_P99 else None,
        longest=max(every),
        p50_by_block=tuple(percentile(block, 50) for block in blocks if block),
        all=tuple(every),
    )


def median_order(orders: Sequence[MeasuredOrder]) -> MeasuredOrder:
    """Return the order with the median latency; unfinished ones count as the slowest."""
    return sorted(orders, key=lambda order: (order.seconds is None, order.seconds or 0.0))[(len(orders) - 1) // 2]


def per_second(orders: Sequence[MeasuredOrder]) -> float | None:
    """Orders per second, from the first one placed to the last one finished.

    Return None for fewer than two orders, or if one did not finish.
    """
    finished = [order.finished_at for order in orders if order.finished_at]
    if len(finished) < 2 or len(finished) < len(orders):  # noqa: PLR2004 - one order has a latency, not a rate
        return None
    seconds = (max(finished) - min(order.placed_at for order in orders)).total_seconds()
    return len(finished) / seconds if seconds > 0 else None


def recovery_seconds(orders: Sequence[MeasuredOrder], fault_ended: datetime) -> float | None:
    """From the end of the fault until the last order was finished. Return None if one did not finish."""
    finished = [order.finished_at for order in orders if order.finished_at]
    if not finished or len(finished) < len(orders):
        return None
    return max(0.0, (max(finished) - fault_ended).total_seconds())


def percentile(values: Sequence[float], percent: int) -> float:
    """Interpolate linearly between the nearest ranks, both ends included."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _sum_of(counts: Mapping[str, int], names: Sequence[str]) -> int | None:
    return sum(counts[name] for name in names) if set(names) <= counts.keys() else None


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: after[name] - count for name, count in before.items() if after.get(name, -1) >= count}
