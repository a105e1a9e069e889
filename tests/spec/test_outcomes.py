"""Every scenario ends the same way in both styles, and says the same of itself."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from comparison.scenarios import SCENARIOS, Scenario
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

README = Path(__file__).parents[2] / "README.md"


def json_objects(text: str) -> list[Json]:
    """The JSON objects of a text, which may follow one another without a separator."""
    found, position = [], 0
    while position < len(text):
        value, position = json.JSONDecoder().raw_decode(text, position)
        found.append(value)
    return found


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


def test_a_client_that_prefers_to_wait_gets_the_outcome_at_once(shop: Shop, style: str) -> None:
    order = shop.prepared(SCENARIOS["ok"]) | {"style": style}

    answer = shop.client.post("/orders", json=order, headers={"Prefer": "wait=20"}, timeout=30)

    assert (answer.status_code, answer.json()["status"]) == (200, "confirmed"), answer.text
    assert shop.order(answer.json()["order_id"])["status"] == "confirmed"


def test_the_commands_of_the_readme_show_both_orders(stack: Stack) -> None:
    (block,) = re.findall(r"^```sh\n(api=.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    commands = block.replace("api=http://127.0.0.1:8000", f"api={stack.ready['api']}").replace("curl ", "curl -sS ")
    commands = commands.replace("var/stack/", f"{stack.data}/")

    run = subprocess.run(  # noqa: S603 - our own text
        ["/bin/bash", "-euo", "pipefail", "-c", commands], capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.returncode, run.stderr) == (0, "")
    product, pair, orders, audit = json_objects(run.stdout)
    assert product["sku"] == "MUG"
    ids = {order["order_id"] for order in pair.values()}
    assert [order["status"] for order in pair.values()] == ["confirmed"] * 2
    assert ids <= {order["order_id"] for order in orders["items"]}
    assert audit["orders_checked"] >= 2


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
