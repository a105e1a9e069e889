"""The figures of a comparison, and whether they are what was expected."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from comparison.measures import Ending, Latency, Usage, latency_of, per_second, recovery_seconds
from comparison.runner import Block
from comparison.stack import PROCESSES_OF
from comparison.trials import Kind, Outcome, Trial
from domain.order import SagaStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trial in one style. Counts are means an order; None is what could not be counted.

    `cpu` is CPU seconds an order by process, from before the first order was placed until all was at rest again.
    `recovery`: seconds by block, None where an order was not finished.
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
        """CPU seconds an order, of the processes that this style needs; None if one of them was started anew."""
        needed = PROCESSES_OF[self.style]
        return sum(self.cpu[name] for name in needed) if set(needed) <= set(self.cpu) else None

    @property
    def as_expected(self) -> bool:
        return self.outcomes == self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One trial, both ways. `example` is an order of each style; `blocks` the styles in the order of play."""

    trial: Trial
    rows: Mapping[SagaStyle, Row]
    examples: Mapping[SagaStyle, Ending]
    blocks: tuple[SagaStyle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`idle` is CPU seconds a second by process. `audit` is what `GET /audit` answered at the end.

    `caveats`: sentences on why these figures deserve less trust than others.
    """

    seed: int
    began: datetime
    seconds: float
    machine: Mapping[str, str]
    idle: Mapping[str, float]
    results: Sequence[Result]
    audit: Mapping[str, Any]
    caveats: Sequence[str] = ()

    @property
    def unexpected(self) -> list[tuple[Trial, Row]]:
        return [(result.trial, row) for result in self.results for row in result.rows.values() if not row.as_expected]

    @property
    def ok(self) -> bool:
        return not self.unexpected and bool(self.audit["ok"])


def results_of(blocks: Sequence[Block], order: Sequence[str]) -> list[Result]:
    """Put the blocks of a trial together, however they were interleaved. `order` is that of the trials to show."""
    by_trial: dict[str, list[Block]] = {}
    for block in blocks:
        by_trial.setdefault(block.turn.trial.name, []).append(block)
    return [_result(by_trial[name]) for name in order]


def _result(blocks: Sequence[Block]) -> Result:
    rows, examples = {}, {}
    for style in SagaStyle:
        mine = [block for block in blocks if block.turn.style is style]
        rows[style] = _row(style, mine)
        placed = [ending for block in mine for ending in block.endings]
        if placed:
            examples[style] = _typical(placed)
    return Result(
        trial=blocks[0].turn.trial, rows=rows, examples=examples, blocks=tuple(block.turn.style for block in blocks)
    )


def _typical(endings: Sequence[Ending]) -> Ending:
    """The order of the median latency, so that neither a lucky nor an unlucky one is shown."""
    return sorted(endings, key=lambda ending: (ending.seconds is None, ending.seconds or 0.0))[(len(endings) - 1) // 2]


def _row(style: SagaStyle, blocks: Sequence[Block]) -> Row:
    endings = [ending for block in blocks for ending in block.endings]
    expected: Counter[Outcome] = Counter()
    for block in blocks:
        expected += block.turn.trial.expected(block.turn.orders)
    orders = len(endings) or 1
    usages = [block.usage for block in blocks]
    struck = [(block.endings, block.struck) for block in blocks if block.turn.trial.fault is not None]
    return Row(
        style=style,
        orders=len(endings),
        outcomes=Counter((ending.status, ending.reason) for ending in endings),
        expected=expected,
        latency=latency_of([[e.seconds for e in block.endings if e.seconds is not None] for block in blocks]),
        per_second=_rates(blocks),
        inconsistent=latency_of([[e.inconsistent_seconds for e in block.endings] for block in blocks]),
        recovery=tuple(recovery_seconds(met, fault.ended) if fault else None for met, fault in struck),
        events=sum(len(ending.events) for ending in endings) / orders,
        history_events=sum(ending.history_events for ending in endings) / orders,
        records=_per_order([usage.saga_records for usage in usages], orders),
        service_commits=_per_order([usage.service_commits for usage in usages], orders),
        engine_commits=_per_order([usage.engine_commits for usage in usages], orders),
        cpu=_cpu_per_order(usages, orders),
        operator_actions=sum(ending.operator_actions for ending in endings) / orders,
        systems=max((ending.systems for ending in endings), default=0),
    )


def _rates(blocks: Sequence[Block]) -> tuple[float, ...]:
    """Only where there is a load: one order after the other, a rate would be the latency under another name."""
    loaded = [block for block in blocks if block.turn.trial.kind is Kind.LOAD]
    return tuple(rate for block in loaded if (rate := per_second(block.endings)) is not None)


def _per_order(counts: Sequence[int | None], orders: int) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / orders if len(known) == len(counts) else None


def _cpu_per_order(usages: Sequence[Usage], orders: int) -> dict[str, float]:
    """Of the processes that ran through all blocks."""
    through = set.intersection(*(set(usage.cpu) for usage in usages))
    return {name: sum(usage.cpu[name] for usage in usages) / orders for name in usages[0].cpu if name in through}
