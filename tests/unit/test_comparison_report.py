"""The report is one self-contained HTML file, whatever values the figures have."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from comparison.output import as_json, tables
from comparison.report import report
from comparison.results import Comparison
from comparison.sequence_diagram import sequence_diagram
from comparison.traced_orders import Traced, TracedOrder
from domain.order import SagaStyle
from tests.support.comparisons import CONFIRMED, UNDONE, both_styles, comparison_of, measured_order, span

VOID = {"meta", "br", "link", "img", "input", "hr"}
FETCHING = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}


class Page(HTMLParser):
    """Checks that every element is closed in order, and collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values_of(self, name: str) -> list[str]:
        return [value for found, value in self.attributes if found == name]


def undone() -> list[str]:
    return [*CONFIRMED[:4], *UNDONE]


@pytest.fixture
def comparison() -> Comparison:
    cancelled = measured_order(
        *undone(), status="cancelled", reason="undeliverable_address", attempts={"refund_payment": 3}
    )
    scarce = [measured_order() for _ in range(10)] + [
        measured_order(status="cancelled", reason="out_of_stock") for _ in range(14)
    ]
    return comparison_of(
        [
            *both_styles("ok", measured_order(), measured_order(seconds=0.7)),
            *both_styles("undeliverable", cancelled),
            *both_styles("killed_charging", *[measured_order()] * 4),
            *both_styles("scarce", *scarce),
        ]
    )


def test_the_page_and_its_drawings_are_complete(comparison: Comparison) -> None:
    page = Page(report(comparison))

    assert page.tags.count("svg") == 1 + 4 * 3  # the arrow heads, then a chart and two diagrams for each scenario
    assert page.tags.count("h1") == 1
    assert page.tags.count("main") == 1
    assert {"lang", "viewbox", "aria-label"} <= {name for name, _ in page.attributes}


def test_every_link_leads_to_an_element_of_the_page(comparison: Comparison) -> None:
    page = Page(report(comparison))

    anchors = {f"#{name}" for name in page.values_of("id")}
    assert set(page.values_of("href")) <= anchors
    assert {value[4:-1] for value in page.values_of("marker-end")} <= anchors
    assert len(page.values_of("id")) == len(set(page.values_of("id")))


def test_the_page_fetches_nothing(comparison: Comparison) -> None:
    text = report(comparison)
    page = Page(text)

    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
    assert all(value.startswith("#") for name, value in page.attributes if name in FETCHING)
    assert re.findall(r"(?:https?:)?//[a-z]|@import|url\((?!#)", text) == []


def test_the_page_has_colours_for_light_dark_and_print(comparison: Comparison) -> None:
    text = report(comparison)

    assert 'name="color-scheme" content="light dark"' in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    styles = text[text.index("<style>") : text.index("</style>")]
    colours = re.findall(r"--([\w-]+): ?#", styles)
    assert {colours.count(colour) for colour in colours} == {3}  # each one in each of the three


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b"])
def test_values_are_escaped(hostile: str) -> None:
    broken = {"order_id": hostile, "invariant": hostile, "detail": hostile}
    audit = {"ok": False, "orders_checked": 1, "orders_pending": 0, "broken": [broken]}
    page = Page(
        report(comparison_of(both_styles("ok", measured_order(status=hostile, reason=hostile)), audit, name=hostile))
    )

    assert not {"script", "img"} & set(page.tags)
    assert page.text.count(" ".join(hostile.split())) >= 4


def test_a_good_comparison_has_a_good_verdict(comparison: Comparison) -> None:
    page = Page(report(comparison))

    assert "Every order ended as its scenario says" in page.text
    assert "every invariant holds" in page.text
    assert "seed 7" in page.text
    assert "an abacus" in page.text
    assert "wrong" not in page.values_of("class")


def test_a_wrong_outcome_is_marked() -> None:
    wrong = comparison_of(both_styles("ok", measured_order(status="cancelled", reason="out_of_stock")))

    page = Page(report(wrong))

    assert "Some results are wrong" in page.text
    assert "ok, orchestrated: 2 cancelled (out_of_stock), not 2 confirmed" in page.text
    assert page.values_of("class").count("wrong") == 4  # two tables, two styles


def test_caveats_come_before_the_figures() -> None:
    uncertain = replace(comparison_of(both_styles("ok", measured_order())), caveats=("The machine was busy.",))

    page = Page(report(uncertain))

    assert page.text.index("The machine was busy.") < page.text.index("How orders end")


def test_a_report_can_be_made_if_no_order_finished() -> None:
    stuck = comparison_of(both_styles("ok", measured_order("order.requested", status="pending", seconds=None)))

    page = Page(report(stuck))

    assert "ok, choreographed: 2 pending, not 2 confirmed" in page.text


def test_columns_without_values_are_left_out(comparison: Comparison) -> None:
    plain = comparison_of(both_styles("ok", measured_order(), measured_order()))

    with_a_fault, without = (Page(report(one)).text.partition("How it was measured ")[0] for one in (comparison, plain))

    assert "recovery s" in with_a_fault
    assert "recovery s" not in without


def test_traced_orders_have_a_waterfall_each_on_one_scale() -> None:
    plain = comparison_of(both_styles("ok", measured_order()))
    orders = {
        style: TracedOrder(
            order=measured_order(), spans=[span("root", took=took), span("child", "root", took=took / 2)]
        )
        for style, took in zip(SagaStyle, (0.08, 0.04), strict=True)
    }

    page = Page(report(replace(plain, traced=Traced(orders=orders))))

    assert page.values_of("class").count("waterfall") == 2
    assert [style for style in page.values_of("style") if "width" in style] == [
        f"left: 0.00%; width: {width}%" for width in ("80.00", "40.00", "40.00", "20.00")
    ]
    assert "on a stack of their own" in page.text
    assert "no waterfall" not in page.text


def test_a_report_says_why_it_has_no_waterfall() -> None:
    plain = comparison_of(both_styles("ok", measured_order()))

    page = Page(report(replace(plain, traced=Traced(problem="the <stack> did not come up"))))

    assert "There is no waterfall, because the <stack> did not come up" in page.text
    assert "waterfall" not in page.values_of("class")
    assert "docs/tracing.md" in page.text


def test_the_figures_contain_the_spans() -> None:
    traced = TracedOrder(order=measured_order(), spans=[span("root")])
    comparison = replace(
        comparison_of(both_styles("ok", measured_order())), traced=Traced(orders={SagaStyle.ORCHESTRATED: traced})
    )

    found = json.loads(json.dumps(as_json(comparison)))["traced"]

    assert list(found) == ["orchestrated"]
    assert [each["name"] for each in found["orchestrated"]["spans"]] == ["span root"]


def test_an_undo_has_a_class_and_a_mark_of_its_own() -> None:
    cancelled = measured_order(*undone(), status="cancelled", attempts={"refund_payment": 3})

    drawn = {style: Page(sequence_diagram(style, cancelled)) for style in SagaStyle}

    for style, page in drawn.items():
        assert page.values_of("class").count("undo") >= 3 * 2
        assert "↶ payment.refunded, attempt 3" in page.text
        assert "✕ shipping.failed" in page.text
        assert ("Saga workflow" in page.text) is (style is SagaStyle.ORCHESTRATED)


def test_arrows_begin_at_the_workflow_or_at_the_cause() -> None:
    orchestrated, choreographed = (Page(sequence_diagram(style, measured_order())) for style in SagaStyle)

    arrows = [page.values_of("marker-end") for page in (orchestrated, choreographed)]
    assert [len(ends) for ends in arrows] == [5, 4]  # the first arrow of the choreography is a curve within one service
    assert orchestrated.values_of("x1").count(orchestrated.values_of("x1")[0]) == 6  # the lane, and each command


def test_the_terminal_shows_each_scenario_in_both_styles(comparison: Comparison) -> None:
    console = Console(width=120, record=True, file=None, highlight=False)
    with console.capture() as shown:
        for table in tables(comparison):
            console.print(table)

    assert shown.get().count("choreographed") == 8
    assert "…" not in shown.get()
    assert "(undeliverable_address)" in shown.get()


def test_json_has_every_figure_of_each_style(comparison: Comparison) -> None:
    figures = json.loads(json.dumps(as_json(comparison)))

    assert figures["ok"] is True
    assert [played["name"] for played in figures["scenarios"]] == ["ok", "undeliverable", "killed_charging", "scarce"]
    row = figures["scenarios"][0]["styles"]["choreographed"]
    assert row["latency"]["p50"] == pytest.approx(0.6)
    assert row["latency"]["p99"] is None
    assert row["kafka_records_per_order"] == pytest.approx(6.0)
    assert figures["scenarios"][3]["styles"]["orchestrated"]["outcomes"] == [
        {"status": "confirmed", "reason": None, "orders": 20},
        {"status": "cancelled", "reason": "out_of_stock", "orders": 28},
    ]
