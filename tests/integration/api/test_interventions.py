"""Requests about a choreographed order in progress, and when they are too late."""

import httpx2 as httpx
import pytest

from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    RefundPayment,
    ScheduleShipping,
)
from domain.events import OrderCreated
from domain.ids import OrderId
from domain.order import Order, Reason
from services.payments.gateway import GatewayFault
from tests.support.api_bodies import ORDER, PRODUCT, Json, changed
from tests.support.api_rig import Rig

UNKNOWN = "0b1f5e9a-3f0e-4d5e-9f6b-111111111111"


async def created(rig: Rig, client: httpx.AsyncClient, body: Json = ORDER) -> Order:
    (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()
    order_id = OrderId((await client.post("/orders", json=body)).json()["order_id"])
    event = rig.services.orders.create(CreateOrder(order=rig.services.orders.find(order_id).request))
    assert isinstance(event, OrderCreated)
    return event.order


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


async def test_repeated_cancellations_record_one_request(rig: Rig, client: httpx.AsyncClient) -> None:
    order = await created(rig, client)

    answers = [await client.post(f"/orders/{order.order_id}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == {"order_id": order.order_id, "status": "accepted"}
    assert [event_type for _, event_type in rig.outbox()].count("order.cancellation_requested") == 1


async def test_a_finished_order_is_not_cancelled(rig: Rig, client: httpx.AsyncClient) -> None:
    order = await created(rig, client)
    rig.services.orders.confirm(ConfirmOrder(order_id=order.order_id))

    assert "confirmed" in refused(await client.post(f"/orders/{order.order_id}/cancel"), 409)


async def test_an_order_past_its_pivot_is_not_cancelled(rig: Rig, client: httpx.AsyncClient) -> None:
    order = await created(rig, client)
    rig.services.shipping.schedule(ScheduleShipping(order=order))

    assert "shipping is scheduled" in refused(await client.post(f"/orders/{order.order_id}/cancel"), 409)


@pytest.mark.parametrize("action", ["cancel", "compensation/retry"])
@pytest.mark.parametrize("order_id", [UNKNOWN, "nonsense"])
async def test_an_unknown_order_is_a_404(client: httpx.AsyncClient, action: str, order_id: str) -> None:
    refused(await client.post(f"/orders/{order_id}/{action}"), 404)


async def test_an_order_that_needs_no_operator_cannot_be_retried(rig: Rig, client: httpx.AsyncClient) -> None:
    order = await created(rig, client)

    assert "pending" in refused(await client.post(f"/orders/{order.order_id}/compensation/retry"), 409)


async def test_an_operator_retries_a_refund_that_ran_out_of_attempts(rig: Rig, client: httpx.AsyncClient) -> None:
    order = await created(rig, client, changed(ORDER, "payment.token", "tok_refundFails"))
    rig.services.payments.charge(ChargePayment(order=order))
    for _ in range(3):
        with pytest.raises(GatewayFault):
            rig.services.payments.refund(RefundPayment(order_id=order.order_id, reason=Reason.OUT_OF_STOCK))
    rig.needs_attention(order.order_id)
    before = (await client.get(f"/orders/{order.order_id}")).json()

    answer = await client.post(f"/orders/{order.order_id}/compensation/retry")

    assert answer.status_code == 202
    assert before["steps"][-1] | {"at": None} == {
        "name": "refund_payment",
        "status": "retrying",
        "attempts": 3,
        "at": None,
        "last_error": "payment gateway: refund: 503 from the card network",
    }
    shown = (await client.get(f"/orders/{order.order_id}")).json()
    assert shown["payment"] == {"status": "refunded", "captured": 6980, "refunded": 6980}
    assert shown["steps"][-1]["status"] == "done"
    events = (await client.get(f"/orders/{order.order_id}/timeline")).json()["events"]
    assert events[-1]["type"] == "payment.refunded"


async def test_a_settlement_of_the_gateway_is_announced(rig: Rig, client: httpx.AsyncClient) -> None:
    answer = await client.post("/webhooks/payments", json={"order_id": UNKNOWN, "status": "settled"})

    assert answer.status_code == 202
    assert rig.settlements.announced == [UNKNOWN]


async def test_a_settlement_that_cannot_be_announced_is_refused_with_a_retry_after(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    rig.settlements.away = True

    answer = await client.post("/webhooks/payments", json={"order_id": UNKNOWN, "status": "settled"})

    assert "try again" in refused(answer, 503)
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"order_id": UNKNOWN}, "status"), ({"order_id": UNKNOWN, "status": "paid"}, "status"), ({}, "order_id")],
)
async def test_a_settlement_names_the_field_that_is_wrong(client: httpx.AsyncClient, body: Json, field: str) -> None:
    answer = await client.post("/webhooks/payments", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
