"""The API shows orders and products."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import httpx2 as httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider

from adapters.open_telemetry import OtelTracer
from api.dependencies import Traces
from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    RefundPayment,
    ReleaseInventory,
    ReserveInventory,
    ScheduleShipping,
)
from domain.events import OrderCreated
from domain.ids import OrderId
from domain.order import Order, Reason
from messaging import tracing
from messaging.sql.traces import trace_id_of
from tests.support.api_bodies import ORDER, PRODUCT, Json, changed
from tests.support.api_rig import Rig


@pytest.fixture
def traces() -> Iterator[None]:
    """Traces are on in this process, and go nowhere."""
    tracing.trace_with(OtelTracer(TracerProvider(shutdown_on_exit=False).get_tracer("test")))
    yield
    tracing.trace_with(None)


FIVE = ["create_order", "charge_payment", "reserve_inventory", "schedule_shipping", "confirm_order"]


async def placed(client: httpx.AsyncClient, body: Json = ORDER) -> OrderId:
    (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()
    return OrderId((await client.post("/orders", json=body)).json()["order_id"])


def created(rig: Rig, order_id: OrderId) -> Order:
    event = rig.services.orders.create(CreateOrder(order=rig.services.orders.find(order_id).request))
    assert isinstance(event, OrderCreated)
    return event.order


async def test_a_product_is_stocked_and_shown(client: httpx.AsyncClient) -> None:
    stocked = await client.put("/products/COFFEE", json=PRODUCT)

    expected = {"sku": "COFFEE", **PRODUCT, "reserved": 0, "sold": 0}
    assert (stocked.status_code, stocked.json()) == (200, expected)
    assert (await client.get("/products/COFFEE")).json() == expected


async def test_stocking_again_replaces_the_stock_and_the_price(client: httpx.AsyncClient) -> None:
    await client.put("/products/COFFEE", json=PRODUCT)
    again = changed(changed(PRODUCT, "on_hand", 3), "unit_price.amount", 100)

    shown = await client.put("/products/COFFEE", json=again)

    assert (shown.json()["on_hand"], shown.json()["unit_price"]["amount"]) == (3, 100)


async def test_a_sku_may_hold_any_readable_character(client: httpx.AsyncClient) -> None:
    await client.put("/products/Caf%C3%A9%20250%20g", json=PRODUCT)

    assert (await client.get("/products/Caf%C3%A9%20250%20g")).json()["sku"] == "Café 250 g"


async def test_a_new_order_shows_all_steps_as_pending(client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    shown = (await client.get(f"/orders/{order_id}")).json()

    assert shown == {
        "order_id": order_id,
        "style": "choreographed",
        "status": "pending",
        "reason": None,
        "attention": None,
        "total": None,
        "payment": {"status": "none", "captured": 0, "refunded": 0},
        "inventory": {"status": "none"},
        "shipping": {"status": "none", "tracking_number": None},
        "steps": [{"name": name, "status": "pending", "attempts": 0, "at": None, "last_error": None} for name in FIVE],
        "trace_id": None,
        "actions": [],
        "placed_at": shown["placed_at"],
        "finished_at": None,
    }


@pytest.mark.usefixtures("traces")
async def test_an_order_that_was_placed_within_a_trace_shows_its_id(rig: Rig) -> None:
    rig.dependencies = replace(rig.dependencies, traces=Traces(id_of=partial(trace_id_of, rig.databases.orders)))
    async with rig.client() as client:
        untraced = await placed(client)
        with tracing.span("placing"):
            trace = tracing.trace_id()
            order_id = await placed(client, changed(ORDER, "customer_id", "another"))
        with tracing.span("placing", parent=f"00-{'a' * 32}-{'b' * 16}-00"):
            unsampled = await placed(client, changed(ORDER, "customer_id", "a third"))
        shown = [(await client.get(f"/orders/{each}")).json()["trace_id"] for each in (untraced, order_id, unsampled)]

        assert shown == [None, trace, None]
        assert re.fullmatch("[0-9a-f]{32}", trace or "")
        tracing.trace_with(None)
        assert (await client.get(f"/orders/{order_id}")).json()["trace_id"] is None


async def test_a_confirmed_order_shows_the_records_of_each_service(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    order = created(rig, order_id)
    rig.services.payments.charge(ChargePayment(order=order))
    rig.services.inventory.reserve(ReserveInventory(order=order))
    rig.services.shipping.schedule(ScheduleShipping(order=order))
    rig.services.orders.confirm(ConfirmOrder(order_id=order_id))

    shown = (await client.get(f"/orders/{order_id}")).json()

    assert (shown["status"], shown["total"]) == ("confirmed", {"amount": 6980, "currency": "BRL"})
    assert shown["payment"] == {"status": "captured", "captured": 6980, "refunded": 0}
    assert shown["inventory"] == {"status": "reserved"}
    assert shown["shipping"] == {"status": "scheduled", "tracking_number": shown["shipping"]["tracking_number"]}
    assert [(step["name"], step["status"], step["attempts"]) for step in shown["steps"]] == [
        (name, "done", 1) for name in FIVE
    ]
    assert shown["placed_at"] <= shown["steps"][0]["at"] <= shown["finished_at"]


async def test_compensations_follow_the_steps_in_the_order_in_which_they_run(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client, changed(ORDER, "shipping_address.postal_code", "00000"))
    order, reason = created(rig, order_id), Reason.UNDELIVERABLE_ADDRESS
    rig.services.payments.charge(ChargePayment(order=order))
    rig.services.inventory.reserve(ReserveInventory(order=order))
    rig.services.shipping.schedule(ScheduleShipping(order=order))
    rig.services.inventory.release(ReleaseInventory(order_id=order_id, reason=reason))
    rig.services.payments.refund(RefundPayment(order_id=order_id, reason=reason))

    shown = (await client.get(f"/orders/{order_id}")).json()

    assert [(step["name"], step["status"]) for step in shown["steps"]] == [
        *zip(FIVE, ["done", "done", "done", "refused", "pending"], strict=True),
        ("release_inventory", "done"),
        ("refund_payment", "done"),
    ]
    assert shown["payment"] == {"status": "refunded", "captured": 6980, "refunded": 6980}
    assert (shown["inventory"]["status"], shown["shipping"]["status"]) == ("released", "refused")


async def test_an_order_that_needs_attention_shows_its_reason_and_why_it_needs_an_operator(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)
    rig.needs_attention(order_id)

    shown = (await client.get(f"/orders/{order_id}")).json()
    (listed,) = (await client.get("/orders")).json()["items"]

    assert (shown["status"], shown["reason"]) == ("needs_attention", "out_of_stock")
    assert shown["attention"] == {
        "step": "refund_payment",
        "since": shown["attention"]["since"],
        "error": "GatewayFault: 503",
    }
    assert shown["placed_at"] < shown["attention"]["since"]
    assert listed == {name: shown[name] for name in listed}


async def test_the_timeline_merges_the_logs_and_contains_no_token_and_no_address(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)
    order = created(rig, order_id)
    rig.services.payments.charge(ChargePayment(order=order))
    rig.services.inventory.reserve(ReserveInventory(order=order))

    answer = await client.get(f"/orders/{order_id}/timeline")

    events = answer.json()["events"]
    assert [(event["service"], event["type"]) for event in events] == [
        ("order-service", "order.requested"),
        ("order-service", "order.created"),
        ("payment-service", "payment.completed"),
        ("inventory-service", "inventory.reserved"),
    ]
    assert set(events[0]) == {"event_id", "type", "service", "at", "caused_by", "data"}
    assert events[0]["data"]["order_id"] == order_id
    assert events[2]["data"]["order"]["lines"][0]["unit_price"] == PRODUCT["unit_price"]
    assert "tok_visa" not in answer.text
    assert "shipping_address" not in answer.text


async def test_a_list_is_paged_newest_first_without_gap_or_repetition(client: httpx.AsyncClient) -> None:
    ids = [await placed(client) for _ in range(5)]

    seen: list[str] = []
    path: str | None = "/orders?limit=2&style=choreographed"
    pages = 0
    while path and pages < 10:
        answer = await client.get(path)
        pages += 1
        seen += [order["order_id"] for order in answer.json()["items"]]
        path = answer.links["next"]["url"] if "next" in answer.links else None
        assert (path is None) == (answer.json()["next_cursor"] is None)

    assert seen == ids[::-1]
    assert pages == 3


async def test_new_orders_do_not_shift_the_pages_of_a_list(client: httpx.AsyncClient) -> None:
    ids = [await placed(client) for _ in range(4)]
    first = (await client.get("/orders", params={"limit": 2})).json()
    await placed(client)

    second = (await client.get("/orders", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [order["order_id"] for order in first["items"] + second["items"]] == ids[::-1]


async def test_a_list_is_filtered_by_style_and_status(rig: Rig, client: httpx.AsyncClient) -> None:
    pending, attention = await placed(client), await placed(client)
    other = await placed(client, ORDER | {"style": "orchestrated"})
    rig.needs_attention(attention)

    async def listed(query: str) -> list[str]:
        return [order["order_id"] for order in (await client.get(f"/orders?{query}")).json()["items"]]

    assert await listed("style=orchestrated") == [other]
    assert await listed("style=choreographed&status=pending") == [pending]
    assert await listed("status=needs_attention") == [attention]
    assert await listed("status=confirmed") == []
