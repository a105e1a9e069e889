"""The workflow of an order under way is terminated in the Temporal UI; an operator repairs the order."""

import pytest
from temporalio.client import Client

from tests.support.operators import cancel, pending_pix, retry
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually

INVARIANT = "every unfinished order has a saga that moves it"


async def test_an_order_whose_workflow_was_terminated_is_shown_and_repaired(shop: Shop, stack: Stack) -> None:
    order_id = pending_pix(shop, "orchestrated")
    assert shop.client.post(f"/orders/{order_id}/repair").status_code == 409
    temporal = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    await temporal.get_workflow_handle(f"order-saga/{order_id}").terminate("by an operator in the UI")

    refused = cancel(shop, order_id)
    assert (refused.status_code, "repair" in refused.json()["detail"]) == (409, True)
    shown = eventually(
        lambda: next((order for order in [shop.order(order_id)] if order["attention"]), None), "it needs attention"
    )
    assert (shown["status"], shown["attention"]["step"]) == ("needs_attention", "charge_payment")
    refused = retry(shop, order_id)
    assert (refused.status_code, "repair" in refused.json()["detail"]) == (409, True)
    broken = shop.client.get("/audit").json()["broken"]
    assert (order_id, INVARIANT) in {(each["order_id"], each["invariant"]) for each in broken}

    assert shop.client.post(f"/orders/{order_id}/repair").status_code == 202
    end = shop.await_end(order_id)

    assert (end["status"], end["reason"], end["attention"]) == ("cancelled", "timed_out", None)
    assert end["payment"]["status"] == "voided"
    assert shop.client.post(f"/orders/{order_id}/repair").status_code == 409


@pytest.mark.parametrize("order_id", ["0b1f5e9a-3f0e-4d5e-9f6b-111111111111", "nonsense"])
def test_an_unknown_order_is_not_repaired(shop: Shop, order_id: str) -> None:
    assert shop.client.post(f"/orders/{order_id}/repair").status_code == 404


def test_a_choreographed_order_under_way_takes_a_repair_without_harm(shop: Shop) -> None:
    order_id = pending_pix(shop, "choreographed")

    assert shop.client.post(f"/orders/{order_id}/repair").status_code == 202
    assert cancel(shop, order_id).status_code == 202

    assert shop.await_end(order_id)["status"] == "cancelled"
    assert [event["type"] for event in shop.timeline(order_id)].count("payment.pending") == 1
