"""The comparison as JSON, for machines."""

from typing import Any

from comparison.measures import Latency, MeasuredOrder
from comparison.results import Comparison, Result, Row
from comparison.stack import PROCESSES_OF
from comparison.trials import Outcome


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Seconds and counts are unrounded. Null stands for a value that could not be measured."""
    return {
        "ok": comparison.ok,
        "seed": comparison.seed,
        "began": comparison.began.isoformat(),
        "seconds": comparison.seconds,
        "machine": dict(comparison.machine),
        "caveats": list(comparison.caveats),
        "idle_cpu_seconds_per_second": dict(comparison.idle),
        "processes_of": {style.value: list(names) for style, names in PROCESSES_OF.items()},
        "scenarios": [_result(result) for result in comparison.results],
        "audit": dict(comparison.audit),
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.trial.name,
        "kind": result.trial.kind.value,
        "says": result.trial.description,
        "blocks": [style.value for style in result.blocks],
        "styles": {style.value: _row(row) for style, row in result.rows.items()},
        "examples": {style.value: _order(order) for style, order in result.examples.items()},
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "as_expected": row.as_expected,
        "orders": row.orders,
        "outcomes": [_outcome(outcome, count) for outcome, count in row.outcomes.items()],
        "expected": [_outcome(outcome, count) for outcome, count in row.expected.items()],
        "latency": _latency(row.latency),
        "orders_per_second_by_block": list(row.per_second),
        "inconsistent": _latency(row.inconsistent),
        "recovery_seconds_by_block": list(row.recovery),
        "events_per_order": row.events,
        "kafka_records_per_order": row.records,
        "history_events_per_order": row.history_events,
        "service_commits_per_order": row.service_commits,
        "temporal_commits_per_order": row.engine_commits,
        "cpu_seconds_per_order": dict(row.cpu),
        "own_cpu_seconds_per_order": row.own_cpu,
        "operator_actions_per_order": row.operator_actions,
        "systems": row.systems,
    }


def _latency(latency: Latency | None) -> dict[str, Any] | None:
    if latency is None:
        return None
    return {
        "p50": latency.p50,
        "p95": latency.p95,
        "p99": latency.p99,
        "longest": latency.longest,
        "p50_by_block": list(latency.medians),
        "all": list(latency.all),
    }


def _outcome(outcome: Outcome, count: int) -> dict[str, Any]:
    status, reason = outcome
    return {"status": status, "reason": reason, "orders": count}


def _order(order: MeasuredOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "status": order.status,
        "reason": order.reason,
        "seconds": order.seconds,
        "events": [
            {
                "type": event.type,
                "service": event.service,
                "at": event.at.isoformat(),
                "event_id": event.event_id,
                "caused_by": event.caused_by,
            }
            for event in order.events
        ],
    }
