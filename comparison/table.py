"""The comparison as tables for the terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from comparison.columns import COSTS, TIMES, Column, sections, with_something_in
from comparison.results import Comparison, Result

IN_REPORT_ONLY = frozenset({"p95 ms", "p99 ms"})


def tables(comparison: Comparison) -> list[Table]:
    times = [column for column in TIMES if column.title not in IN_REPORT_ONLY]
    shown = []
    for title, results in sections(comparison.results):
        shown.append(_table(title, times, results))
        shown.append(_table(f"{title}: what it cost, as means an order", COSTS, results))
    return shown


def _table(title: str, columns: Sequence[Column], results: Sequence[Result]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1), title_justify="left")
    shown = with_something_in(columns, results)
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
