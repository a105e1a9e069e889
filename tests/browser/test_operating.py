"""Actions of a customer and of an operator on the page."""

from playwright.sync_api import Page, expect

from tests.browser.counter import SCREENSHOTS, Counter
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually


def test_an_order_that_waits_for_money_is_cancelled(counter: Counter) -> None:
    counter.place(payment="pix")

    for lane in counter.lanes:
        expect(lane.step("Charge payment")).to_contain_text("waiting")
        assert lane.offers() == ["Cancel the order", "Settle the pix payment"]
        lane.press("Cancel the order")
        lane.shows("cancelled", "Cancelled by customer")


def test_a_pix_payment_is_settled(counter: Counter) -> None:
    counter.place(payment="pix")

    for lane in counter.lanes:
        lane.press("Settle the pix payment")
    for lane in counter.lanes:
        lane.shows("confirmed")


def test_an_order_that_needs_attention_says_why_and_is_repaired(counter: Counter) -> None:
    counter.place(payment="tok_refundFails", postal_code="00000", style="Choreographed only")
    lane = counter.lane("choreographed")
    lane.shows("needs attention", "Undeliverable address")
    expect(lane.at.locator(".attention")).to_contain_text("Refund payment fails since")
    expect(lane.at.locator(".attention")).to_contain_text("503 from the card network")
    listed = counter.panel("Orders").get_by_role("row").filter(has_text="Refund payment fails since")
    counter.panel("Orders").get_by_role("button", name="Refresh").click()
    expect(listed.filter(has_text=lane.order_id[:8])).to_contain_text("undeliverable address")
    assert lane.offers() == ["Retry the compensation", "Redrive its dead letters"]
    letters = counter.panel("Dead letters")
    letters.get_by_role("button", name="List").click()
    letter = letters.get_by_role("listitem").filter(has_text=lane.order_id[:8])
    expect(letter).to_contain_text("inventory.released")

    lane.press("Redrive its dead letters")
    expect(lane.at.get_by_text("Redriven: 1")).to_be_visible()
    lane.press("Retry the compensation")

    lane.shows("cancelled", "Undeliverable address")
    expect(lane.at.locator(".attention")).to_be_empty()
    assert lane.steps()["refund_payment"] == "done"


def test_the_payment_service_is_stopped_and_started(counter: Counter, page: Page) -> None:
    processes = counter.panel("Break something")
    processes.get_by_role("button", name="Stop payment-service").click()
    counter.process_is("payment-service", "stopped")

    counter.place()
    counter.lane("orchestrated").shows("confirmed")
    choreographed = counter.lane("choreographed")
    expect(choreographed.at.locator(".messages .waits text")).to_have_text("order.created")
    assert choreographed.steps()["charge_payment"] == "pending"
    page.screenshot(path=SCREENSHOTS / "payment-service-stopped.png", full_page=True)
    processes.get_by_role("button", name="Start payment-service").click()

    choreographed.shows("confirmed")
    counter.process_is("payment-service", "running")


def test_a_worker_is_killed_and_its_order_goes_on(counter: Counter, stack: Stack) -> None:
    before = stack.ready["processes"]["saga-worker"]
    counter.place(payment="tok_gatewayFlaky", style="Orchestrated only")
    counter.panel("Break something").get_by_role("button", name="Kill saga-worker").click()

    counter.lane("orchestrated").shows("confirmed")
    eventually(lambda: stack.ready["processes"]["saga-worker"] != before, "another worker runs")
    counter.process_is("saga-worker", "running")


def test_the_list_is_filtered_and_paged(page: Page, counter: Counter, shop: Shop) -> None:
    order = shop_order()
    placed = [shop.place(order, "choreographed") for _ in range(13)]
    for order_id in placed:
        shop.await_end(order_id)
    newest = placed[-1]
    panel = counter.panel("Orders")
    rows = panel.get_by_role("row").filter(has=page.get_by_role("button"))

    panel.get_by_label("Style").select_option("choreographed")
    panel.get_by_label("Status").select_option("cancelled")
    expect(rows.first.get_by_role("button")).to_have_accessible_name(f"Watch order {newest}")
    expect(rows).to_have_count(10)
    seen = {button.inner_text() for button in rows.get_by_role("button").all()}
    panel.get_by_role("button", name="Older").click()
    expect(panel.get_by_text("Page 2")).to_be_visible()
    assert not seen & {button.inner_text() for button in rows.get_by_role("button").all()}
    panel.get_by_role("button", name="Newer").click()
    expect(rows.first.get_by_role("button")).to_have_text(newest[:8])

    panel.get_by_label("Style").select_option("orchestrated")
    expect(rows.filter(has_text="choreographed")).to_have_count(0)
    panel.get_by_label("Style").select_option("choreographed")
    panel.get_by_role("button", name=f"Watch order {newest}").click()
    counter.lane("choreographed").shows("cancelled", "Unknown sku")


def test_a_list_that_cannot_be_loaded_shows_an_error_until_it_can(page: Page, counter: Counter) -> None:
    panel = counter.panel("Orders")
    page.route("**/orders?*", lambda route: route.abort())
    panel.get_by_role("button", name="Refresh").click()
    expect(panel.get_by_text("The orders could not be loaded.")).to_be_visible()

    page.unroute("**/orders?*")
    panel.get_by_role("button", name="Refresh").click()
    expect(panel.get_by_text("Page 1")).to_be_visible()


def test_the_audit_shows_its_verdict(page: Page, counter: Counter, shop: Shop) -> None:
    panel = counter.panel("Audit")
    shop.assert_books_right()
    panel.get_by_role("button", name="Run the audit").click()
    expect(panel.get_by_text("passed", exact=True)).to_be_visible()

    broken = {"order_id": "an-order", "invariant": "charged once", "detail": "<b>two</b> charges"}
    verdict = {"ok": False, "orders_checked": 3, "orders_pending": 1, "broken": [broken]}
    page.route("**/audit", lambda route: route.fulfill(json=verdict))
    panel.get_by_role("button", name="Run the audit").click()

    expect(panel.get_by_role("listitem")).to_have_text("an-order: charged once: <b>two</b> charges")
    expect(panel.get_by_text("3 orders checked, 1 of them pending.")).to_be_visible()


def shop_order() -> dict[str, object]:
    return {
        "customer_id": "list",
        "lines": [{"sku": "NOBODY-STOCKS-THIS", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_visa"},
        "shipping_address": {
            "recipient": "Ana Souza",
            "street": "Avenida Paulista 1000",
            "city": "Sao Paulo",
            "postal_code": "01310-100",
            "country": "BR",
        },
    }
