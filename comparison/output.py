"""The results of a comparison: tables in the terminal, the figures as JSON, the report."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from comparison.columns import COSTS, TIMES, Column, columns_with_values, sections, wrong_outcome
from comparison.measures import MeasuredOrder
from comparison.report import report
from comparison.results import Comparison, Result, Row
from comparison.stack import PROCESSES_OF
from comparison.trials import Outcome
from runtime.console import print_verdict

ONLY_IN_REPORT = frozenset({"p95 ms", "p99 ms"})


def show(comparison: Comparison, console: Console, *, json_file: Path | None, report_file: Path) -> None:
    """Write the files and print the tables."""
    # Files first: printing fails if the terminal has been closed, and the figures must survive that.
    if json_file is not None:
        write_text(json_file, json.dumps(as_json(comparison), indent=1) + "\n")
    write_text(report_file, report(comparison))
    for table in tables(comparison):
        console.print(table)
    for trial, row in comparison.unexpected:
        console.print(f"[red]{escape(wrong_outcome(trial, row))}[/red]")
    print_verdict(comparison.audit, console)
    for caveat in comparison.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
    if comparison.traced.problem is not None:
        console.print(f"[yellow]The report lacks a waterfall: {escape(comparison.traced.problem)}[/yellow]")
    console.print(f"seed {comparison.seed}; columns and method are explained in {escape(str(report_file))}")


def tables(comparison: Comparison) -> list[Table]:
    times = [column for column in TIMES if column.title not in ONLY_IN_REPORT]
    found = []
    for title, results in sections(comparison.results):
        found.append(_table(title, times, results))
        found.append(_table(f"{title}: costs, as means per order", COSTS, results))
    return found


def _table(title: str, columns: Sequence[Column], results: Sequence[Result]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), title_justify="left")
    shown = columns_with_values(columns, results)
    table.add_column("scenario", no_wrap=True)
    table.add_column("style", no_wrap=True)
    for column in shown:
        table.add_column(column.title, justify="right" if column.is_number else "left", overflow="fold")
    for result in results:
        for number, row in enumerate(result.rows.values()):
            table.add_row(
                result.trial.name if number == 0 else "",
                row.style,
                *(escape(column.shows(row)) for column in shown),
                style=None if row.as_expected else "red",
                end_section=number + 1 == len(result.rows),
            )
    return table


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
        "traced": {
            style.value: _order(traced.order) | {"spans": [asdict(span) for span in traced.spans]}
            for style, traced in comparison.traced.orders.items()
        },
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
        "latency": asdict(row.latency) if row.latency else None,
        "orders_per_second_by_block": list(row.per_second),
        "inconsistent": asdict(row.inconsistent) if row.inconsistent else None,
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


def _outcome(outcome: Outcome, count: int) -> dict[str, Any]:
    status, reason = outcome
    return {"status": status, "reason": reason, "orders": count}


def _order(order: MeasuredOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "status": order.status,
        "reason": order.reason,
        "seconds": order.seconds,
        "events": [asdict(event) | {"at": event.at.isoformat()} for event in order.events],
    }


def write_text(file: Path, text: str) -> None:
    """Write a file that the user named. Its folder may be missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
