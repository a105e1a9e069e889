"""Every scenario ends the same way in both styles, and says the same of itself."""

import pytest

from comparison.scenarios import SCENARIOS, Scenario
from tests.support.shop import Shop
from tests.support.waiting import eventually


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_pair_ends_the_same_both_ways(shop: Shop, scenario: Scenario) -> None:
    answer = shop.client.post("/order-pairs", json=shop.prepared(scenario))
    assert answer.status_code == 202, answer.text

    placed = answer.json()
    ids = [order["order_id"] for order in placed.values()]
    ends = [shop.await_end(order_id) for order_id in ids]

    assert [(end["status"], end["reason"]) for end in ends] == [(scenario.status, scenario.reason)] * 2
    assert [end["style"] for end in ends] == list(placed) == ["orchestrated", "choreographed"]
    assert all(end["finished_at"] >= end["placed_at"] for end in ends)
    assert ends[0]["payment"] == ends[1]["payment"]
    assert ends[0]["shipping"]["status"] == ends[1]["shipping"]["status"]
    eventually(  # a sale follows the confirmation
        lambda: len({shop.order(order_id)["inventory"]["status"] for order_id in ids}) == 1,
        "the pieces go the same way",
    )


def test_a_confirmed_order_has_its_charge_its_pieces_and_its_shipment(shop: Shop, style: str) -> None:
    order = shop.prepared(SCENARIOS["two_lines"])
    end = shop.await_end(shop.place(order, style))

    assert end["payment"] == {"status": "captured", "captured": end["total"]["amount"], "refunded": 0}
    assert end["shipping"]["tracking_number"]
    assert [step["status"] for step in end["steps"]] == ["done"] * 5
    eventually(
        lambda: [shop.product(line["sku"])["sold"] for line in order["lines"]] == [1, 3], "the pieces count as sold"
    )


def test_the_steps_of_an_undone_order_show_what_was_undone_in_reverse(shop: Shop, style: str) -> None:
    end = shop.await_end(shop.place(shop.prepared(SCENARIOS["undeliverable"]), style))

    done = [(step["name"], step["status"]) for step in end["steps"] if step["status"] != "pending"]

    assert ("schedule_shipping", "refused") in done
    undone = [name for name, _ in done if name in {"release_inventory", "refund_payment", "cancel_order"}]
    assert undone == ["release_inventory", "refund_payment", "cancel_order"]
    assert end["payment"]["refunded"] == end["payment"]["captured"] > 0


def test_nothing_of_the_first_line_is_reserved_when_the_second_is_sold_out(shop: Shop, style: str) -> None:
    order = shop.prepared(SCENARIOS["out_of_stock"])
    shop.await_end(shop.place(order, style))

    first = shop.product(order["lines"][0]["sku"])

    assert (first["reserved"], first["sold"]) == (0, 0)


def test_a_flaky_gateway_is_tried_three_times_and_charges_once(shop: Shop, style: str) -> None:
    end = shop.await_end(shop.place(shop.prepared(SCENARIOS["flaky_gateway"]), style))

    charge = next(step for step in end["steps"] if step["name"] == "charge_payment")

    assert charge["attempts"] == 3
    assert end["payment"]["captured"] == end["total"]["amount"]


def test_a_charge_whose_answer_was_lost_is_found_again(shop: Shop, style: str) -> None:
    end = shop.await_end(shop.place(shop.prepared(SCENARIOS["charged_then_timeout"]), style))

    assert end["payment"] == {"status": "captured", "captured": end["total"]["amount"], "refunded": 0}


def test_the_timeline_tells_the_story_with_its_causes(shop: Shop, style: str) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), style)
    shop.await_end(order_id)

    events = shop.timeline(order_id)

    assert [event["type"] for event in events] == [
        "order.requested",
        "order.created",
        "payment.completed",
        "inventory.reserved",
        "shipping.scheduled",
        "order.confirmed",
    ]
    if style == "choreographed":
        assert [event["caused_by"] for event in events[1:]] == [event["event_id"] for event in events[:-1]]
