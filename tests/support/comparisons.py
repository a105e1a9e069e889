"""Builders of made-up measurements, for tests of the measures and the report."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from comparison.measures import MeasuredOrder, TimelineEvent, Usage
from comparison.results import Comparison, results_of
from comparison.span_receiver import ReceivedSpan
from comparison.stack import SAGA_PROCESSES
from comparison.trial_player import Block, Turn
from comparison.trials import TRIALS, Trial
from domain.order import SagaStyle

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONFIRMED = ("order.requested", "order.created", "payment.completed", "inventory.reserved", "shipping.scheduled")
UNDONE = ("shipping.failed", "inventory.released", "payment.refunded", "order.cancelled")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def events(*types: str, every_s: float = 0.1) -> list[TimelineEvent]:
    """Return events of these types in order, each caused by the one before."""
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


def measured_order(
    *types: str,
    status: str = "confirmed",
    reason: str | None = None,
    seconds: float | None = 0.5,
    placed_s: float = 0.0,
    **others: Any,  # noqa: ANN401 - fields of MeasuredOrder
) -> MeasuredOrder:
    fields: dict[str, Any] = {"order_id": "an-order", "attempts": {}, "history_events": 0, "operator_actions": 0}
    return MeasuredOrder(
        status=status,
        reason=reason,
        placed_at=after(placed_s),
        finished_at=None if seconds is None else after(placed_s + seconds),
        events=events(*types or (*CONFIRMED, "order.confirmed")),
        **fields | others,
    )


def span(span_id: str, parent_id: str = "", *, began: float = 0.0, took: float = 0.01, **others: Any) -> ReceivedSpan:  # noqa: ANN401 - fields of ReceivedSpan
    """Return a span of the API; times in seconds after the first one."""
    fields: dict[str, Any] = {"process": "api", "name": f"span {span_id}", "events": [], "failed": False}
    return ReceivedSpan(
        trace_id="a-trace",
        span_id=span_id,
        parent_id=parent_id,
        attributes={},
        links=[],
        began=1_000.0 + began,
        ended=1_000.0 + began + took,
        **fields | others,
    )


def usage(seconds: float = 2.0, cpu_s: float = 0.4, commits: int = 28, records: int = 12) -> Usage:
    """Return a usage with equal shares: a quarter of `commits` for each service, of `records` for each topic."""
    return Usage(
        seconds=seconds,
        cpu=dict.fromkeys(SAGA_PROCESSES, cpu_s),
        commits=dict.fromkeys(("orders", "payments", "inventory", "shipping"), commits // 4) | {"temporal": 60},
        records=dict.fromkeys(("orders", "payments", "inventory", "shipping"), records // 4),
    )


def block(
    trial: Trial,
    style: SagaStyle,
    orders: Sequence[MeasuredOrder],
    *,
    used: Usage | None = None,
    fault_ended: datetime | None = None,
) -> Block:
    turn = Turn(number=0, trial=trial, style=style, orders=trial.orders or len(orders))
    return Block(turn=turn, orders=orders, usage=used or usage(), fault_ended=fault_ended)


def both_styles(name: str, *orders: MeasuredOrder) -> list[Block]:
    """Return four blocks of the trial, A B B A, each with these orders. A fault ends when the orders are placed."""
    trial, (first, second) = TRIALS[name], SagaStyle
    fault_ended = NOON if trial.fault else None
    return [block(trial, style, orders, fault_ended=fault_ended) for style in (first, second, second, first)]


def comparison_of(blocks: Sequence[Block], audit: Mapping[str, Any] | None = None, **machine: str) -> Comparison:
    names = list(dict.fromkeys(block.turn.trial.name for block in blocks))
    return Comparison(
        seed=7,
        began=NOON,
        seconds=60.0,
        machine={"processor": "an abacus"} | machine,
        idle=dict.fromkeys(SAGA_PROCESSES, 0.02),
        results=results_of(blocks, names),
        audit=audit or {"ok": True, "orders_checked": 8, "orders_pending": 0, "broken": []},
    )
