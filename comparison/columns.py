"""The columns of the tables, in the terminal and in the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from comparison.measures import Latency
from comparison.results import Result, Row
from comparison.trials import Kind, Outcome, Trial

SECTIONS: Mapping[Kind, str] = {
    Kind.BUSINESS: "How orders end",
    Kind.FAULT: "When something breaks",
    Kind.LOAD: "Many at once",
}
NOTHING = "-"
"""Stands for a value that was not measured, or could not be."""


@dataclass(frozen=True, slots=True)
class Column:
    """`means` explains the column in the legend."""

    title: str
    means: str
    shows: Callable[[Row], str]
    is_number: bool = True


def sections(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Group the results by kind, each with its title. Kinds that were not played are left out."""
    found = [(title, [result for result in results if result.trial.kind is kind]) for kind, title in SECTIONS.items()]
    return [(title, some) for title, some in found if some]


def columns_with_values(columns: Sequence[Column], results: Sequence[Result]) -> list[Column]:
    """Leave out the columns that have no value in any row."""
    rows = [row for result in results for row in result.rows.values()]
    return [column for column in columns if any(column.shows(row) != NOTHING for row in rows)]


def outcomes_text(outcomes: Mapping[Outcome, int], *, counted_always: bool = False) -> str:
    """Return "20 confirmed, 4 cancelled (out_of_stock)". A single outcome has its count only with `counted_always`."""
    texts = [f"{status} ({reason})" if reason else status for status, reason in outcomes]
    if len(texts) == 1 and not counted_always:
        return texts[0]
    counted = zip(outcomes.values(), texts, strict=True)
    return ", ".join(f"{count} {text}" for count, text in sorted(counted, key=lambda pair: pair[1], reverse=True))


def wrong_outcome(trial: Trial, row: Row) -> str:
    got, wanted = (outcomes_text(outcomes, counted_always=True) for outcomes in (row.outcomes, row.expected))
    return f"{trial.name}, {row.style}: {got or 'no order'}, not {wanted}"


def milliseconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{seconds * 1000:,.0f}"


def _one_decimal(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _by_block(values: Sequence[float | None], show: Callable[[float], str]) -> str:
    """Show the value of each block, or nothing if one of them is missing."""
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values):
        return NOTHING
    return " ".join(show(value) for value in known)


def _latency(value: Callable[[Latency], float | None]) -> Callable[[Row], str]:
    return lambda row: milliseconds(value(row.latency) if row.latency else None)


TIMES = (
    Column(
        "outcome",
        "status and reason at the end, with the number of orders if they differ",
        lambda row: outcomes_text(row.outcomes),
        is_number=False,
    ),
    Column("orders", "orders of this style, in all its blocks", lambda row: str(row.orders)),
    Column(
        "p50 ms",
        "median milliseconds from placed to finished, by the services' clocks",
        _latency(lambda latency: latency.p50),
    ),
    Column(
        "of blocks",
        "the median of each block; their distance is the spread",
        lambda row: _by_block(row.latency.p50_by_block if row.latency else (), milliseconds),
    ),
    Column("p95 ms", "95th percentile, for 20 orders or more", _latency(lambda latency: latency.p95)),
    Column("p99 ms", "99th percentile, for 100 orders or more", _latency(lambda latency: latency.p99)),
    Column("longest", "milliseconds of the slowest order", _latency(lambda latency: latency.longest)),
    Column(
        "torn ms",
        "median milliseconds in an inconsistent state: from the first recorded effect (money taken, pieces reserved,"
        " shipment booked) to the last undo, or to the confirmation",
        lambda row: milliseconds(row.inconsistent.p50 if row.inconsistent else None),
    ),
    Column(
        "orders/s",
        "by block: from the first order placed to the last one finished",
        lambda row: _by_block(row.per_second, _one_decimal),
    ),
    Column(
        "recovery s",
        "by block: from the end of the fault (for a kill, from the kill) until the last order was finished",
        lambda row: _by_block(row.recovery, _one_decimal),
    ),
)

COSTS = (
    Column("events", "events that the services recorded, per order", lambda row: _one_decimal(row.events)),
    Column(
        "Kafka records", "records written to the four saga topics, per order", lambda row: _one_decimal(row.records)
    ),
    Column(
        "history events",
        "events in the history of the saga workflow, per order",
        lambda row: _one_decimal(row.history_events),
    ),
    Column(
        "commits",
        "writing transactions in the four services' databases, per order",
        lambda row: _one_decimal(row.service_commits),
    ),
    Column(
        "Temporal commits",
        "writing transactions in Temporal's own database, per order, its housekeeping included",
        lambda row: _one_decimal(row.engine_commits),
    ),
    Column(
        "CPU ms",
        "CPU milliseconds per order of all processes that this style needs, their idle work included, from before"
        " the first order is placed until the stack is idle again: compare it where many orders run at once",
        lambda row: milliseconds(row.own_cpu),
    ),
    Column(
        "operator", "actions that an operator had to take, per order", lambda row: _one_decimal(row.operator_actions)
    ),
    Column(
        "systems",
        "systems that you have to read to see a whole order: one workflow history, or the event logs of several"
        " services",
        lambda row: str(row.systems),
    ),
)
