"""The figures of the bench: each is a value of ours divided by the same value of a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MIB = 1024 * 1024
GIB = 1024 * MIB


class Unit(StrEnum):
    PER_SECOND = "per second"
    SECONDS = "seconds"
    BYTES = "bytes"


def shown(value: float, unit: Unit) -> str:
    """Format a value for a reader: rates per second, times in milliseconds, memory in MiB."""
    match unit:
        case Unit.PER_SECOND:
            return f"{value:,.1f}/s"
        case Unit.SECONDS:
            return f"{value * 1000:,.1f} ms"
        case Unit.BYTES:
            return f"{value / MIB:,.0f} MiB"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of the ratio."""

    sign: Literal["<=", ">="]
    bound: float

    def reached_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.sign == ">=" else ratio <= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


class BenchmarkId(StrEnum):
    """What is played. One benchmark may give several figures. The order is that of play."""

    ORCHESTRATED_PRELOADED = "orchestrated orders, few and many held"
    CHOREOGRAPHED_PRELOADED = "choreographed orders, few and many held"
    ORCHESTRATED_TRACED = "orchestrated orders, traces off and on"
    CHOREOGRAPHED_TRACED = "choreographed orders, traces off and on"
    READS = "reads, few and many held"
    ORCHESTRATED_ONE_BY_ONE = "one orchestrated order after the other"
    ORCHESTRATED_CONCURRENT = "orchestrated orders together"
    CHOREOGRAPHED_ONE_BY_ONE = "one choreographed order after the other"
    CHOREOGRAPHED_CONCURRENT = "choreographed orders together"
    CELERY = "a Celery task that a workflow awaits"
    STARTS = "starts of workflows"
    MEMORY = "memory"


ONE_BY_ONE = (BenchmarkId.ORCHESTRATED_ONE_BY_ONE, BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE)
"""These record where the time of one order goes."""

PRELOADED = (BenchmarkId.READS, BenchmarkId.ORCHESTRATED_PRELOADED, BenchmarkId.CHOREOGRAPHED_PRELOADED)
"""These need a second stack, whose databases hold many orders."""


TRACED = (BenchmarkId.ORCHESTRATED_TRACED, BenchmarkId.CHOREOGRAPHED_TRACED)
"""These need a second stack, whose processes send traces."""

TWO_STACKS = PRELOADED + TRACED


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ours` and `baseline` describe what is measured on either side. A figure without a goal is for information."""

    name: str
    benchmark: BenchmarkId
    ours: str
    baseline: str
    unit: Unit = Unit.SECONDS
    goal: Goal | None = None


_BARE = "bare workflow of four no-op activities"
_CHAIN = "raw chain of five kafka-python hops"
_FEW_HELD = "the same with few orders held"
_TRACES_OFF = "the same with traces off"

_ALL = (
    Figure(
        name="orchestrated-rate",
        benchmark=BenchmarkId.ORCHESTRATED_CONCURRENT,
        ours="orchestrated orders through POST /orders, 32 in flight: from the first placed to the last finished",
        baseline=f"{_BARE}, 32 in flight: from the first start to the last result",
        unit=Unit.PER_SECOND,
        goal=Goal(">=", 1.0),
    ),
    Figure(
        name="orchestrated-p50",
        benchmark=BenchmarkId.ORCHESTRATED_ONE_BY_ONE,
        ours="orchestrated order alone, from placed to finished by the services' clocks, median",
        baseline=f"{_BARE} alone, from the client's call to its result, median",
        goal=Goal("<=", 0.8),
    ),
    Figure(
        name="orchestrated-p50-seen",
        benchmark=BenchmarkId.ORCHESTRATED_ONE_BY_ONE,
        ours="the same orders, from sending POST /orders until their end is seen in the database, median",
        baseline=f"{_BARE} alone, from the client's call to its result, median",
    ),
    Figure(
        name="choreographed-rate",
        benchmark=BenchmarkId.CHOREOGRAPHED_CONCURRENT,
        ours="choreographed orders through POST /orders, 32 in flight: from the first placed to the last finished",
        baseline=f"{_CHAIN}, 32 in flight: from the first sent to the last received by the fifth hop",
        unit=Unit.PER_SECOND,
        goal=Goal(">=", 0.25),
    ),
    Figure(
        name="choreographed-p50",
        benchmark=BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE,
        ours="choreographed order alone, from placed to finished by the services' clocks, median",
        baseline=f"{_CHAIN} alone, from sent to received by the fifth hop, median",
        goal=Goal("<=", 2.0),
    ),
    Figure(
        name="choreographed-p50-seen",
        benchmark=BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE,
        ours="the same orders, from sending POST /orders until their end is seen in the database, median",
        baseline=f"{_CHAIN} alone, from sent until the fifth hop's record is back, median",
    ),
    Figure(
        name="orchestrated-cpu",
        benchmark=BenchmarkId.ORCHESTRATED_PRELOADED,
        ours="CPU time of saga worker and API per orchestrated order, many orders held",
        baseline=_FEW_HELD,
        goal=Goal("<=", 1.1),
    ),
    Figure(
        name="choreographed-cpu",
        benchmark=BenchmarkId.CHOREOGRAPHED_PRELOADED,
        ours="CPU time of the four services and the API per choreographed order, many orders held",
        baseline=_FEW_HELD,
        goal=Goal("<=", 1.1),
    ),
    Figure(
        name="orchestrated-traced",
        benchmark=BenchmarkId.ORCHESTRATED_TRACED,
        ours="CPU time of saga worker and API per orchestrated order, traces on",
        baseline=_TRACES_OFF,
        goal=Goal("<=", 1.1),
    ),
    Figure(
        name="choreographed-traced",
        benchmark=BenchmarkId.CHOREOGRAPHED_TRACED,
        ours="CPU time of the four services and the API per choreographed order, traces on",
        baseline=_TRACES_OFF,
        goal=Goal("<=", 1.1),
    ),
    Figure(
        name="kafka-starts",
        benchmark=BenchmarkId.STARTS,
        ours="workflows started by kafka_into_workflow: from the first call to the last acknowledgement",
        baseline="workflows started by a client, with as many calls at a time",
        unit=Unit.PER_SECOND,
        goal=Goal(">=", 0.8),
    ),
    Figure(
        name="celery-p50",
        benchmark=BenchmarkId.CELERY,
        ours="workflow that awaits a no-op Celery task, from the client's call to its result, median",
        baseline="workflow of one no-op activity, then .delay().get() of the same task, median of the sums",
        goal=Goal("<=", 1.2),
    ),
    *(
        Figure(
            name=f"read-{name}",
            benchmark=BenchmarkId.READS,
            ours=f"{call}, one call after the other, 99th percentile, many orders held",
            baseline=_FEW_HELD,
            goal=Goal("<=", 1.3),
        )
        for name, call in (
            ("order", "GET /orders/{id}"),
            ("list", "GET /orders?status="),
            ("timeline", "GET /orders/{id}/timeline"),
        )
    ),
    *(
        Figure(
            name=f"memory-{name}",
            benchmark=BenchmarkId.MEMORY,
            ours=f"memory of all our processes, as proportional set sizes, {when}",
            baseline="the limit of 1 GiB",
            unit=Unit.BYTES,
            goal=Goal("<=", 1.0),
        )
        for name, when in (("idle", "before the first order"), ("loaded", "after all orders"))
    ),
    Figure(
        name="memory-growth",
        benchmark=BenchmarkId.MEMORY,
        ours="memory of all our processes after all orders",
        baseline="after the first tenth of them",
        unit=Unit.BYTES,
        goal=Goal("<=", 1.05),
    ),
)

FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _ALL}
