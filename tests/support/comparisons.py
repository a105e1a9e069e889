"""A hand-made comparison, input for the measures and the report."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from comparison.faults import Struck
from comparison.measures import Ending, TimelineEvent, Usage
from comparison.results import Comparison, results_of
from comparison.runner import Block, Turn
from comparison.stack import PROCESSES_OF
from comparison.trials import TRIALS, Trial
from domain.order import SagaStyle

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALL_PROCESSES = tuple(dict.fromkeys(name for names in PROCESSES_OF.values() for name in names))
CONFIRMED = ("order.requested", "order.created", "payment.completed", "inventory.reserved", "shipping.scheduled")
UNDONE = ("shipping.failed", "inventory.released", "payment.refunded", "order.cancelled")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def events(*types: str, every_s: float = 0.1) -> list[TimelineEvent]:
    """A chain of events: each is caused by the previous one."""
    return [
        TimelineEvent(
            event_id=f"event-{number}",
            type=event_type,
            service=f"{event_type.partition('.')[0]}-service",
            at=after(number * every_s),
            caused_by=f"event-{number - 1}" if number else None,
        )
        for number, event_type in enumerate(types)
    ]


def ending(
    *types: str,
    status: str = "confirmed",
    reason: str | None = None,
    seconds: float | None = 0.5,
    placed_s: float = 0.0,
    **others: Any,  # noqa: ANN401 - fields of Ending
) -> Ending:
    fields: dict[str, Any] = {"order_id": "an-order", "attempts": {}, "history_events": 0, "operator_actions": 0}
    return Ending(
        status=status,
        reason=reason,
        placed_at=after(placed_s),
        finished_at=None if seconds is None else after(placed_s + seconds),
        events=events(*types or (*CONFIRMED, "order.confirmed")),
        **fields | others,
    )


def usage(seconds: float = 2.0, cpu_s: float = 0.4, commits: int = 28, records: int = 12) -> Usage:
    """Of `commits` and `records`, a quarter each to each service and topic."""
    return Usage(
        seconds=seconds,
        cpu=dict.fromkeys(ALL_PROCESSES, cpu_s),
        commits=dict.fromkeys(("orders", "payments", "inventory", "shipping"), commits // 4) | {"temporal": 60},
        records=dict.fromkeys(("orders", "payments", "inventory", "shipping"), records // 4),
    )


def block(
    trial: Trial,
    style: SagaStyle,
    endings: Sequence[Ending],
    *,
    used: Usage | None = None,
    struck: Struck | None = None,
) -> Block:
    turn = Turn(number=0, trial=trial, style=style, orders=trial.orders or len(endings))
    return Block(turn=turn, endings=endings, usage=used or usage(), struck=struck)


def both_ways(name: str, *endings: Ending) -> list[Block]:
    """Play the trial in the order A B B A, each time with these endings. A fault strikes when the orders are placed."""
    trial, (first, second) = TRIALS[name], SagaStyle
    struck = Struck(began=NOON, ended=NOON) if trial.fault else None
    return [block(trial, style, endings, struck=struck) for style in (first, second, second, first)]


def comparison_of(blocks: Sequence[Block], audit: Mapping[str, Any] | None = None, **machine: str) -> Comparison:
    names = list(dict.fromkeys(block.turn.trial.name for block in blocks))
    return Comparison(
        seed=7,
        began=NOON,
        seconds=60.0,
        machine={"processor": "an abacus"} | machine,
        idle=dict.fromkeys(ALL_PROCESSES, 0.02),
        results=results_of(blocks, names),
        audit=audit or {"ok": True, "orders_checked": 8, "orders_pending": 0, "broken": []},
    )
