"""An order is placed and followed to its end in both lanes."""

import re

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import TRACE_UI
from tests.browser.counter import Counter
from tests.support.shop import Shop
from tests.support.stack import Stack

FIVE = ["create_order", "charge_payment", "reserve_inventory", "schedule_shipping", "confirm_order"]

RECORD_RECEIVED_EVENTS = """
    window.receivedIds = [];
    window.EventSource = class extends EventSource {
        constructor(url) {
            super(url);
            this.addEventListener("message", (message) => window.receivedIds.push(message.lastEventId));
        }
    };
"""


def test_before_the_first_order_the_lanes_are_empty(page: Page, counter: Counter) -> None:
    for lane in counter.lanes:
        expect(lane.at.get_by_text("No order here yet.")).to_be_visible()
    expect(counter.panel("Orders").get_by_text(re.compile("No orders yet|Page 1"))).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("twinsaga")


def test_a_pair_is_placed_and_watched_to_the_end(page: Page, counter: Counter) -> None:
    counter.place(quantity=3)

    for lane in counter.lanes:
        lane.shows("confirmed")
        assert lane.steps() == dict.fromkeys(FIVE, "done")
        expect(lane.at.locator(".total")).to_have_text(re.compile(r"R\$104\.70"))
        expect(lane.at.locator(".elapsed")).to_have_text(re.compile(r"^[0-9.]+ s$"))
        assert lane.offers() == []
    expect(page.locator("#comparison")).to_contain_text("choreographed confirmed after")
    expect(page.locator("#news")).to_have_text(re.compile("confirmed after [0-9.]+ s"))
    choreographed = counter.lane("choreographed")
    assert sorted(choreographed.messages()) == sorted(
        ["order.requested", "order.created", "payment.completed", "inventory.reserved", "order.confirmed"]
        + 2 * ["shipping.scheduled"]  # two services react to it
    )
    assert choreographed.messages(".waits") == []


def test_the_links_lead_to_the_saga_and_to_the_witness(page: Page, counter: Counter, stack: Stack) -> None:
    counter.place()

    for style, name, workflow in (
        ("orchestrated", "Saga in the Temporal UI", "order-saga"),
        ("choreographed", "Witness in the Temporal UI", "choreography-witness"),
    ):
        lane = counter.lane(style)
        lane.shows("confirmed")
        link = lane.at.get_by_role("link", name=name)
        path = f"/namespaces/default/workflows/{workflow}%2F{lane.order_id}"
        expect(link).to_have_attribute("href", stack.ready["temporal_ui"] + path)
        assert page.request.get(f"{stack.ready['temporal_ui']}/api/v1{path}").ok


def test_a_lane_shows_the_trace_of_its_order_and_links_to_the_trace_ui(
    context: BrowserContext, page: Page, counter: Counter, shop: Shop
) -> None:
    context.route("http://traces.test/**", lambda route: route.fulfill(body="the trace", content_type="text/plain"))
    for lane in counter.lanes:
        expect(lane.at.locator(".trace")).to_be_hidden()

    counter.place()

    for lane in counter.lanes:
        expect(lane.at.locator(".trace-id")).to_have_text(re.compile("^[0-9a-f]{32}$"))
        trace = lane.at.locator(".trace-id").inner_text()
        assert trace == shop.order(lane.order_id)["trace_id"]
        with page.expect_popup() as opened:
            lane.at.get_by_role("link", name="in the trace UI").click()
        opened.value.wait_for_url(TRACE_UI.replace("{trace_id}", trace).replace("'", "%27"))
        assert opened.value.evaluate("opener") is None
        opened.value.close()


def test_an_undeliverable_order_is_undone_in_another_colour(counter: Counter) -> None:
    counter.place(postal_code="00000", payment="tok_refundFlaky")

    for lane in counter.lanes:
        lane.shows("cancelled", "Undeliverable address")
        steps = lane.steps()
        assert steps["schedule_shipping"] == "refused"
        assert steps["confirm_order"] == "left out"
        assert [steps[name] for name in ("release_inventory", "refund_payment", "cancel_order")] == 3 * ["done"]
        refund = lane.step("Refund payment")
        expect(refund).to_contain_text("3 attempts")
        expect(refund).to_contain_text("503 from the card network")
        assert lane.messages(".back") == ["inventory.released", "payment.refunded", "order.cancelled"]
        colours = [
            lane.step(name).locator(".mark").evaluate("mark => getComputedStyle(mark).color")
            for name in ("Charge payment", "Refund payment")
        ]
        assert colours[0] != colours[1]


def test_a_compensation_row_of_one_lane_has_an_empty_row_in_the_other(counter: Counter) -> None:
    counter.place(product="A product that is not in the catalogue")

    for lane in counter.lanes:
        lane.shows("cancelled", "Unknown sku")
    tops = [[row.bounding_box() for row in lane.at.locator("[data-step]:visible").all()] for lane in counter.lanes]
    assert [box and box["y"] for box in tops[0]] == [box and box["y"] for box in tops[1]]


def test_one_style_alone_leaves_the_other_lane_empty(counter: Counter) -> None:
    counter.place(product="Grinder, sold out", style="Choreographed only")

    counter.lane("choreographed").shows("cancelled", "Out of stock")
    expect(counter.lane("orchestrated").at.get_by_text("No order here yet.")).to_be_visible()


def test_user_input_is_shown_as_text(page: Page, counter: Counter) -> None:
    sku = "<img src=x onerror=alert(1)>"
    form = counter.panel("Place an order")
    form.get_by_label("Product").select_option(label="Another SKU …")
    form.get_by_label("SKU", exact=True).fill(sku)
    counter.place()

    for lane in counter.lanes:
        lane.shows("cancelled", "Unknown sku")
    assert page.locator("img").count() == 0


def test_an_error_of_the_api_is_shown_beside_the_button(page: Page, counter: Counter) -> None:
    form = counter.panel("Place an order")
    form.get_by_label("Postal code").fill("   ")
    form.get_by_role("button", name="Place order").click()

    expect(form.get_by_role("alert")).to_have_text("shipping_address.postal_code: is blank")
    page.route("**/order-pairs", lambda route: route.abort())
    form.get_by_label("Postal code").fill("01310-100")
    form.get_by_role("button", name="Place order").click()
    expect(form.get_by_role("alert")).to_have_text("The server does not answer. Try again.")


def test_a_reload_and_a_lost_server_lose_nothing(page: Page, counter: Counter, stack: Stack, shop: Shop) -> None:
    counter.place(payment="pix")
    ids = [lane.order_id for lane in counter.lanes]
    for lane in counter.lanes:
        expect(lane.step("Charge payment")).to_contain_text("waiting")
    page.add_init_script(RECORD_RECEIVED_EVENTS)
    page.reload()
    for lane in counter.lanes:
        expect(lane.step("Charge payment")).to_contain_text("waiting")
        expect(lane.at.locator(".connection")).to_have_text("live")

    stack.kill("api")
    for lane in counter.lanes:
        expect(lane.at.locator(".connection")).to_have_text("live")
    for lane in counter.lanes:
        lane.press("Settle the pix payment")
    for lane, order_id in zip(counter.lanes, ids, strict=True):
        lane.shows("confirmed")
        assert lane.order_id == order_id
        expect(lane.at.locator(".events li")).to_have_count(len(shop.timeline(order_id)))
    received = page.evaluate("receivedIds")
    assert sorted(received) == sorted(event["event_id"] for order_id in ids for event in shop.timeline(order_id))
