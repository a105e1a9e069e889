"""The spans of one order as a waterfall in HTML: nested lists of rows, each with its name, process, times and a bar."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from comparison.latency_chart import round_up
from comparison.span_receiver import ReceivedSpan
from services.names import SERVICES

MAX_ROWS = 200
MAX_DEPTH = 24
"""Spans that are deeper are drawn at this depth: the order of the rows and the bars still show what follows what."""

MAX_TEXT = 80
"""Characters of a name, of a process and of an event."""

TICKS = 5
EXPECTED_EVENT = "committed"
PROCESSES = ("api", "saga-worker", *SERVICES)
"""Have a colour each, by a class of the report."""


@dataclass(frozen=True, slots=True)
class Row:
    span: ReceivedSpan
    depth: int


def rows_of(spans: Iterable[ReceivedSpan]) -> list[Row]:
    """Order the spans: each below its parent, siblings by their begin.

    A span whose parent was not received stands at depth 0, and so does the earliest span of a circle of parents.
    """
    earliest_first = sorted(spans, key=lambda span: (span.began, span.span_id))
    known = {span.span_id for span in earliest_first}
    children: dict[str, list[ReceivedSpan]] = {}
    for span in earliest_first:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    rows: list[Row] = []
    drawn: set[str] = set()
    # The roots come first. Of the other spans, only those in a circle are not yet drawn when their turn comes.
    for first in (*children.get("", ()), *earliest_first):
        below = [Row(first, 0)]
        while below:
            row = below.pop()
            if row.span.span_id in drawn:
                continue
            drawn.add(row.span.span_id)
            rows.append(row)
            depth = min(row.depth + 1, MAX_DEPTH)
            below += [Row(span, depth) for span in reversed(children.get(row.span.span_id, ()))]
    return rows


def seconds_of(spans: Sequence[ReceivedSpan]) -> float:
    """From the begin of the first span to the end of the last one."""
    return max(span.ended for span in spans) - min(span.began for span in spans)


def waterfall(spans: Sequence[ReceivedSpan], scale_s: float) -> Markup:
    """Return HTML elements. The report gives them their look.

    Args:
        spans: of one trace, at least one.
        scale_s: seconds that the whole width stands for, the same in every waterfall that a reader compares.
    """
    end = round_up(scale_s)
    began = min(span.began for span in spans)
    rows = rows_of(spans)
    left_out = len(rows) - MAX_ROWS
    more = f'<p class="more">and {left_out} more spans</p>' if left_out > 0 else ""
    lines = "".join(_nested(rows[:MAX_ROWS], began, end))
    return Markup(f'<div class="waterfall">{_axis(end)}{lines}{more}</div>')  # noqa: S704 - its texts are escaped


def _nested(rows: Sequence[Row], began: float, end: float) -> Iterator[str]:
    """Yield list elements, one list inside the other, without recursion: a trace may be a chain of any length."""
    open_lists = 0
    for row in rows:
        if row.depth >= open_lists:
            yield '<ul role="list">'  # Safari takes a list without marks for none otherwise
            open_lists += 1
        else:
            yield "</li>" + "</ul></li>" * (open_lists - row.depth - 1)
            open_lists = row.depth + 1
        yield f"<li>{_row(row, began, end)}"
    yield "</li></ul>" * open_lists


def _row(row: Row, began: float, end: float) -> str:
    span = row.span
    after, took = max(0.0, span.began - began), max(0.0, span.ended - span.began)
    notes = [event for event in dict.fromkeys(span.events) if event != EXPECTED_EVENT] + ["failed"] * span.failed
    said = f' <b class="note">{_text(", ".join(notes))}</b>' if notes else ""
    colour = span.process if span.process in PROCESSES else "other"
    return (
        f'<div class="span {colour}" style="--depth: {row.depth}">'
        f'<span class="name">{_text(span.name)}{said}</span> <span class="process">{_text(span.process)}</span>'
        f'<span class="unseen">, begins after {_milliseconds(after)}, takes</span> '
        f'<span class="took">{_milliseconds(took)}</span>'
        f'<span class="track" aria-hidden="true"><i style="left: {_percent(after, end)}; width: {_percent(took, end)}">'
        "</i></span></div>"
    )


def _axis(end: float) -> str:
    marks = "".join(
        f'<i style="left: {100 * number // TICKS}%">{end * number / TICKS * 1000:,.0f}</i>' for number in range(TICKS)
    )
    last = f'<i class="last">{end * 1000:,.0f} ms</i>'
    return f'<div class="span axis" aria-hidden="true"><span class="track">{marks}{last}</span></div>'


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def _percent(seconds: float, end: float) -> str:
    return f"{min(100.0, 100 * seconds / end):.2f}%"


def _text(text: str) -> str:
    return escape(text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…")
