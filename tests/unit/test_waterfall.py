"""The waterfall of a trace, whatever the spans are that were received."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

from comparison.span_receiver import ReceivedSpan
from comparison.waterfall import MAX_DEPTH, MAX_ROWS, MAX_TEXT, rows_of, seconds_of, waterfall
from tests.support.comparisons import span


def drawn(*spans: ReceivedSpan) -> list[tuple[int, str]]:
    return [(row.depth, row.span.span_id) for row in rows_of(spans)]


class Drawing(HTMLParser):
    """Checks that every element is closed in order, and collects tags, styles of bars and text."""

    def __init__(self, spans: Sequence[ReceivedSpan], scale_s: float | None = None) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.deepest = 0
        self.classes: list[str] = []
        self.bars: list[str] = []
        self.texts: list[str] = []
        self.feed(str(waterfall(spans, scale_s or seconds_of(spans))))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.deepest = max(self.deepest, self.open.count("ul"))
        values = dict(attrs)
        self.classes.append(values.get("class") or "")
        if tag == "i" and "width" in (values.get("style") or ""):
            self.bars.append(values["style"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def test_each_span_stands_below_its_parent_and_siblings_by_their_begin() -> None:
    late, early = span("late", "root", began=0.2), span("early", "root", began=0.1)
    of_late = span("of late", "late", began=0.3)

    assert drawn(of_late, late, early, span("root")) == [(0, "root"), (1, "early"), (1, "late"), (2, "of late")]


def test_a_span_whose_parent_was_not_received_is_drawn_with_what_is_below_it() -> None:
    # The clocks of two processes may differ: a span may begin before its parent.
    orphan, below = span("orphan", "lost", began=0.2), span("below", "orphan", began=0.1)

    assert drawn(below, orphan, span("root")) == [(0, "root"), (0, "orphan"), (1, "below")]


def test_a_span_that_was_sent_twice_is_drawn_once() -> None:
    assert drawn(span("root"), span("root"), span("child", "root")) == [(0, "root"), (1, "child")]


def test_a_circle_of_parents_is_drawn_from_its_earliest_span() -> None:
    circle = span("a", "c", began=0.2), span("b", "a", began=0.3), span("c", "b", began=0.1)

    assert drawn(*circle, span("itself", "itself", began=0.4)) == [(0, "c"), (1, "a"), (2, "b"), (0, "itself")]


def test_lists_are_nested_as_the_spans_are() -> None:
    spans = [span("root"), span("a", "root"), span("b", "a"), span("c", "root"), span("another")]

    drawing = Drawing(spans)

    assert drawing.deepest == 3
    assert drawing.tags.count("li") == 5
    assert drawing.tags.count("ul") == 3


def test_a_bar_stands_where_its_span_was_on_the_scale() -> None:
    spans = [span("root", took=0.05), span("child", "root", began=0.02, took=0.01)]

    drawing = Drawing(spans, scale_s=0.1)

    assert drawing.bars == ["left: 0.00%; width: 50.00%", "left: 20.00%; width: 10.00%"]
    assert "span child api, begins after 20.0 ms, takes 10.0 ms" in drawing.text


def test_a_span_that_ends_before_it_begins_or_behind_the_scale_stays_inside() -> None:
    spans = [span("root", took=-5.0), span("long", began=0.05, took=100.0)]

    assert Drawing(spans, scale_s=0.1).bars == ["left: 0.00%; width: 0.00%", "left: 50.00%; width: 100.00%"]


def test_what_went_wrong_is_said_in_words() -> None:
    failed = span("a", events=["parked", "committed", "parked"], failed=True, name="process order.created")

    assert "process order.created parked, failed api" in Drawing([failed]).text


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</ul></li>", "a & b"]
)
def test_texts_of_spans_are_escaped(hostile: str) -> None:
    drawing = Drawing([span("a", name=hostile, process=hostile, events=[hostile])])

    assert not {"script", "img"} & set(drawing.tags)
    assert drawing.text.count(hostile) == 3
    assert all(re.fullmatch(r"[a-z -]*", value) for value in drawing.classes)


def test_long_texts_are_cut() -> None:
    drawing = Drawing([span("a", name="n" * 10_000, process="p" * 10_000)])

    assert f"{'n' * (MAX_TEXT - 1)}… {'p' * (MAX_TEXT - 1)}…" in drawing.text
    assert len(drawing.text) < 500


def test_a_long_chain_is_drawn_to_a_limit_of_depth_and_rows() -> None:
    chain = [span(str(number), str(number - 1), began=number / 1000) for number in range(5_000)]

    drawing = Drawing(chain)

    assert drawing.deepest == MAX_DEPTH + 1
    assert drawing.tags.count("li") == MAX_ROWS
    assert f"and {5_000 - MAX_ROWS} more spans" in drawing.text
