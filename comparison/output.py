"""The results of a comparison: tables in the terminal, the figures as JSON, the report."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from comparison.as_json import as_json
from comparison.columns import COSTS, TIMES, Column, columns_with_values, sections, wrong_outcome
from comparison.report import report
from comparison.results import Comparison, Result
from runtime.console import print_verdict

ONLY_IN_REPORT = frozenset({"p95 ms", "p99 ms"})


def show(comparison: Comparison, console: Console, *, json_file: Path | None, report_file: Path) -> None:
    """Write the files and print the tables."""
    # Files first: printing fails if the terminal has been closed, and the figures must survive that.
    if json_file is not None:
        _write(json_file, json.dumps(as_json(comparison), indent=1) + "\n")
    _write(report_file, report(comparison))
    for table in tables(comparison):
        console.print(table)
    for trial, row in comparison.unexpected:
        console.print(f"[red]{escape(wrong_outcome(trial, row))}[/red]")
    print_verdict(comparison.audit, console)
    for caveat in comparison.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
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


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
