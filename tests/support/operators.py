"""Actions of customers, operators and the gateway on an order in progress, over HTTP and Kafka."""

import json
from uuid import uuid4

import httpx2 as httpx

from comparison.scenarios import SCENARIOS
from tests.support.kafka_topics import Message, await_read, messages_of, put
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

OUTCOMES, REQUESTS, SETTLEMENTS = "saga-outcomes", "order-requests", "payment-settlements"


def stuck_order(shop: Shop, style: str) -> str:
    """Place an order that gets stuck, and wait until it needs attention."""
    return await_attention(shop, place_stuck_order(shop, style))


def place_stuck_order(shop: Shop, style: str) -> str:
    """Place an order whose address is refused and whose refund keeps failing."""
    order = shop.prepared(SCENARIOS["undeliverable"])
    return shop.place(order | {"payment": {"method": "card", "token": "tok_refundFails"}}, style)


def await_attention(shop: Shop, order_id: str) -> str:
    eventually(lambda: shop.order(order_id)["status"] == "needs_attention", "the order needs attention", 90.0)
    return order_id


def pending_pix(shop: Shop, style: str) -> str:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]) | {"payment": {"method": "pix"}}, style)
    eventually(lambda: shop.order(order_id)["payment"]["status"] == "pending", "the payment is pending")
    return order_id


def step_of(order: Json, name: str) -> Json:
    found: Json = next(step for step in order["steps"] if step["name"] == name)
    return found


def retry(shop: Shop, order_id: str) -> httpx.Response:
    return shop.client.post(f"/orders/{order_id}/compensation/retry")


def cancel(shop: Shop, order_id: str) -> httpx.Response:
    return shop.client.post(f"/orders/{order_id}/cancel")


def pay(shop: Shop, order_id: str) -> None:
    answer = shop.client.post("/webhooks/payments", json={"order_id": order_id, "status": "settled"})
    assert answer.status_code == 202, answer.text


def outcomes_of(stack: Stack, order_id: str) -> list[Message]:
    found = eventually(
        lambda: messages_of(stack.ready["kafka"], order_id, OUTCOMES) or None, "its outcome is published", 60.0
    )
    assert len({message.event_id for message in found}) == 1
    return found


def settle(stack: Stack, order_id: str) -> None:
    """Publish a settlement as an external gateway would: a CloudEvent without our key and tags."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_type": "payment.settled",
        "ce_source": "https://gateway.example",
        "content-type": "application/json",
    }
    ends = put(stack.ready["kafka"], SETTLEMENTS, json.dumps({"order_id": order_id}).encode(), headers=headers)
    for group in ("kafka-bridge", "payment-service"):
        await_read(stack.ready["kafka"], group, ends)
