"""The figures of a comparison, and whether every outcome is the expected one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from comparison.measures import (
    Latency,
    MeasuredOrder,
    Usage,
    latency_of,
    median_order,
    per_second,
    recovery_seconds,
)
from comparison.stack import PROCESSES_OF
from comparison.traced_orders import Traced
from comparison.trial_player import Block
from comparison.trials import Kind, Outcome, Trial
from domain.order import SagaStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trial in one style. Counts are means per order; None stands for what could not be counted.

    Attributes:
        cpu: CPU seconds per order by process, from before the first order is placed until the stack is idle again.
        recovery: seconds by block; None for a block with an unfinished order.
    """

    style: SagaStyle
    orders: int
    outcomes: Mapping[Outcome, int]
    expected: Mapping[Outcome, int]
    latency: Latency | None
    per_second: tuple[float, ...]
    inconsistent: Latency | None
    recovery: tuple[float | None, ...]
    events: float
    history_events: float
    records: float | None
    service_commits: float | None
    engine_commits: float | None
    cpu: Mapping[str, float]
    operator_actions: float
    systems: int

    @property
    def own_cpu(self) -> float | None:
        """CPU seconds per order of the processes that this style needs; None if one of them was restarted."""
        needed = PROCESSES_OF[self.style]
        return sum(self.cpu[name] for name in needed) if set(needed) <= set(self.cpu) else None

    @property
    def as_expected(self) -> bool:
        return self.outcomes == self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One trial in both styles. `examples` has one typical order of each; `blocks` the styles in the order of play."""

    trial: Trial
    rows: Mapping[SagaStyle, Row]
    examples: Mapping[SagaStyle, MeasuredOrder]
    blocks: tuple[SagaStyle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A whole run.

    Attributes:
        idle: CPU seconds per second by process, without orders.
        audit: the answer of `GET /audit` at the end.
        caveats: sentences that say why these figures deserve less trust.
        traced: orders that were placed after the measured ones, with their spans.
    """

    seed: int
    began: datetime
    seconds: float
    machine: Mapping[str, str]
    idle: Mapping[str, float]
    results: Sequence[Result]
    audit: Mapping[str, Any]
    caveats: Sequence[str] = ()
    traced: Traced = field(default_factory=Traced)

    @property
    def unexpected(self) -> list[tuple[Trial, Row]]:
        return [(result.trial, row) for result in self.results for row in result.rows.values() if not row.as_expected]

    @property
    def ok(self) -> bool:
        return not self.unexpected and bool(self.audit["ok"])


def results_of(blocks: Sequence[Block], order: Sequence[str]) -> list[Result]:
    """Group the blocks by trial. `order` has the names of the trials, in the order of the report."""
    by_trial: dict[str, list[Block]] = {}
    for block in blocks:
        by_trial.setdefault(block.turn.trial.name, []).append(block)
    return [_result(by_trial[name]) for name in order]


def _result(blocks: Sequence[Block]) -> Result:
    rows, examples = {}, {}
    for style in SagaStyle:
        mine = [block for block in blocks if block.turn.style is style]
        rows[style] = _row(style, mine)
        placed = [order for block in mine for order in block.orders]
        if placed:
            examples[style] = median_order(placed)
    return Result(
        trial=blocks[0].turn.trial, rows=rows, examples=examples, blocks=tuple(block.turn.style for block in blocks)
    )


def _row(style: SagaStyle, blocks: Sequence[Block]) -> Row:
    measured = [order for block in blocks for order in block.orders]
    expected: Counter[Outcome] = Counter()
    for block in blocks:
        expected += block.turn.trial.expected(block.turn.orders)
    count = len(measured) or 1
    usages = [block.usage for block in blocks]
    faulty = [block for block in blocks if block.turn.trial.fault is not None]
    return Row(
        style=style,
        orders=len(measured),
        outcomes=Counter((order.status, order.reason) for order in measured),
        expected=expected,
        latency=latency_of([[e.seconds for e in block.orders if e.seconds is not None] for block in blocks]),
        per_second=_rates(blocks),
        inconsistent=latency_of([[e.inconsistent_seconds for e in block.orders] for block in blocks]),
        recovery=tuple(
            recovery_seconds(block.orders, block.fault_ended) if block.fault_ended else None for block in faulty
        ),
        events=sum(len(order.events) for order in measured) / count,
        history_events=sum(order.history_events for order in measured) / count,
        records=_per_order([usage.saga_records for usage in usages], count),
        service_commits=_per_order([usage.service_commits for usage in usages], count),
        engine_commits=_per_order([usage.engine_commits for usage in usages], count),
        cpu=_cpu_per_order(usages, count),
        operator_actions=sum(order.operator_actions for order in measured) / count,
        systems=max((order.systems for order in measured), default=0),
    )


def _rates(blocks: Sequence[Block]) -> tuple[float, ...]:
    """Return rates of load trials only: of orders that run one by one, a rate is the latency under another name."""
    loaded = [block for block in blocks if block.turn.trial.kind is Kind.LOAD]
    return tuple(rate for block in loaded if (rate := per_second(block.orders)) is not None)


def _per_order(counts: Sequence[int | None], orders: int) -> float | None:
    known = [count for count in counts if count is not None]
    # A mean over some of the blocks would not be comparable with a mean over all of them.
    return sum(known) / orders if len(known) == len(counts) else None


def _cpu_per_order(usages: Sequence[Usage], orders: int) -> dict[str, float]:
    """Return CPU seconds of the processes that were restarted in none of the blocks."""
    in_all_blocks = set.intersection(*(set(usage.cpu) for usage in usages))
    return {name: sum(usage.cpu[name] for usage in usages) / orders for name in usages[0].cpu if name in in_all_blocks}
