"""Requests of a customer, an operator and the gateway about an order in progress, through the API of the stack."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from comparison.scenarios import SCENARIOS
from tests.support.faulty_databases import locked
from tests.support.operators import (
    await_attention,
    cancel,
    pay,
    pending_pix,
    place_stuck_order,
    retry,
    step_of,
    stuck_order,
)
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually


@pytest.fixture(scope="module", autouse=True)
def getting_stuck(stack: Stack) -> list[str]:
    """Orchestrated orders for the last tests of this module, which get stuck, in 25 s, while the other tests run."""
    with stack.client() as client:
        shop = Shop(client)
        return [place_stuck_order(shop, "orchestrated") for _ in range(4)]


def assert_attention(shown: Json) -> None:
    """The same in both styles: the code why the order is undone, and which compensation failed, since when and why."""
    assert shown["reason"] == "undeliverable_address"
    attention = shown["attention"]
    assert set(attention) == {"step", "since", "error"}
    assert attention["step"] == "refund_payment"
    assert attention["error"] == "GatewayFault: payment gateway: refund: 503 from the card network"
    assert shown["placed_at"] < attention["since"]


def test_a_running_step_is_shown_before_its_service_has_a_record_of_it(shop: Shop, stack: Stack) -> None:
    prepared = shop.prepared(SCENARIOS["ok"])
    with locked(stack.settings().database_url("gateway")):  # no charge can complete meanwhile
        order_id = shop.place(prepared, "orchestrated")

        charge = eventually(
            lambda: next((step for step in shop.order(order_id)["steps"] if step["status"] == "running"), None),
            "a step is shown as running",
        )

    assert (charge["name"], charge["attempts"]) == ("charge_payment", 1)
    assert shop.await_end(order_id)["status"] == "confirmed"


def test_an_order_that_is_not_stuck_has_nothing_to_retry(shop: Shop, style: str) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), style)
    shop.await_end(order_id)

    answer = retry(shop, order_id)

    assert answer.status_code == 409
    assert "confirmed" in answer.json()["detail"]


def test_an_order_that_waits_for_money_can_be_cancelled(shop: Shop, style: str) -> None:
    for _ in range(2):  # the cancel comes about when the saga hears that the payment is pending
        other = pending_pix(shop, style)
        assert cancel(shop, other).status_code == 202
        assert shop.await_end(other)["status"] == "cancelled"
    order_id = pending_pix(shop, style)

    assert cancel(shop, order_id).status_code == 202
    end = shop.await_end(order_id)

    assert (end["status"], end["reason"]) == ("cancelled", "cancelled_by_customer")
    again = cancel(shop, order_id)
    assert again.status_code == 409
    assert "cancelled" in again.json()["detail"]


def test_a_confirmed_order_cannot_be_cancelled_and_the_answer_says_why(shop: Shop, style: str) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), style)
    shop.await_end(order_id)

    answer = cancel(shop, order_id)

    assert answer.status_code == 409
    assert "confirmed" in answer.json()["detail"]
    assert shop.order(order_id)["status"] == "confirmed"


def test_the_answer_to_a_cancel_at_any_time_says_how_the_order_ends(shop: Shop) -> None:
    order = shop.prepared(SCENARIOS["ok"]) | {"style": "orchestrated"}

    def place_and_cancel(_: int) -> tuple[str, int]:
        order_id = shop.place(order, "orchestrated")
        return order_id, cancel(shop, order_id).status_code

    with ThreadPoolExecutor(3) as customers:
        asked = list(customers.map(place_and_cancel, range(9)))

    for order_id, answer in asked:
        assert (answer, shop.await_end(order_id)["status"]) in {(202, "cancelled"), (409, "confirmed")}


def test_a_payment_that_arrives_confirms_the_order(shop: Shop, style: str) -> None:
    order_id = pending_pix(shop, style)

    pay(shop, order_id)
    pay(shop, order_id)
    end = shop.await_end(order_id)

    assert end["status"] == "confirmed"
    assert end["payment"]["captured"] == end["total"]["amount"]


def test_a_payment_that_arrives_after_the_end_is_refunded(shop: Shop, style: str) -> None:
    order_id = pending_pix(shop, style)
    cancel(shop, order_id)
    assert shop.await_end(order_id)["status"] == "cancelled"

    pay(shop, order_id)

    payment = eventually(
        lambda: (found := shop.order(order_id)["payment"])["captured"] == found["refunded"] and found,
        "the payment is refunded",
    )
    assert payment["status"] in {"refunded", "voided", "failed"}


@pytest.mark.parametrize("path", ["cancel", "compensation/retry"])
def test_an_unknown_order_is_a_404(shop: Shop, path: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"

    assert shop.client.post(f"/orders/{unknown}/{path}").status_code == 404


def test_a_stuck_order_is_shown_and_listed_and_finished_by_an_operator(shop: Shop, getting_stuck: list[str]) -> None:
    order_id, other = (await_attention(shop, getting_stuck.pop()) for _ in range(2))

    shown = shop.order(order_id)
    assert_attention(shown)
    refund = step_of(shown, "refund_payment")
    assert (refund["status"], refund["attempts"]) == ("retrying", 8)
    assert refund["last_error"] == "payment gateway: refund: 503 from the card network"
    listed = shop.client.get("/orders", params={"status": "needs_attention"}).json()["items"]
    assert {order_id, other} <= {item["order_id"] for item in listed}
    assert [item["attention"] for item in listed if item["order_id"] == order_id] == [shown["attention"]]

    assert retry(shop, order_id).status_code == 202
    end = shop.await_end(order_id)

    assert (end["status"], end["reason"], end["attention"]) == ("cancelled", "undeliverable_address", None)
    assert step_of(end, "release_inventory")["attempts"] == 1
    assert shop.order(other)["status"] == "needs_attention"
    assert retry(shop, order_id).status_code == 409
    retry(shop, other)
    shop.await_end(other)


def test_a_stuck_order_survives_its_worker(shop: Shop, stack: Stack, getting_stuck: list[str]) -> None:
    order_id = await_attention(shop, getting_stuck.pop())
    stack.kill("saga-worker")

    eventually(lambda: retry(shop, order_id).status_code == 202, "the new worker takes the retry")

    assert shop.await_end(order_id)["reason"] == "undeliverable_address"


def test_two_retries_of_the_same_compensation_have_one_effect(shop: Shop, style: str, getting_stuck: list[str]) -> None:
    order_id = await_attention(shop, getting_stuck.pop()) if style == "orchestrated" else stuck_order(shop, style)

    with ThreadPoolExecutor(2) as clicks:
        answers = list(clicks.map(lambda _: retry(shop, order_id), range(2)))
    end = shop.await_end(order_id)

    assert 202 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {202, 409}  # 409: the first had finished the order already
    assert (end["reason"], end["payment"]["refunded"]) == ("undeliverable_address", end["total"]["amount"])
    assert [event["type"] for event in shop.timeline(order_id)].count("payment.refunded") == 1
