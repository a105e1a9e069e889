"""`Prefer: wait` on placing: the response is the outcome if the order is finished in time, else the usual 202."""

import asyncio
import time
from collections.abc import Callable

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from api.live_orders import LiveOrders
from domain.commands import CancelOrder
from domain.ids import OrderId, order_id_from_key
from domain.order import Reason
from messaging.sql.faults import DatabaseFault
from tests.support.api_bodies import ORDER, PAIR, PRODUCT
from tests.support.api_rig import Rig, begun, finished
from tests.support.waiting import until

WAIT = {"Prefer": "wait=9", "Idempotency-Key": "key"}
ORDER_ID = order_id_from_key("orders", "key")
PAIR_IDS = [order_id_from_key(f"pairs/{style}", "key") for style in ("orchestrated", "choreographed")]


@pytest.fixture
async def client(served: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    client = served[1]
    (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()
    return client


@pytest.fixture
def live(served: tuple[FastAPI, httpx.AsyncClient]) -> LiveOrders:
    found: LiveOrders = served[0].state.live_orders
    return found


def watched(live: LiveOrders, *order_ids: OrderId) -> Callable[[], bool]:
    return lambda: all(order_id in live._orders and live._orders[order_id].streams for order_id in order_ids)


def confirm(rig: Rig, order_id: OrderId) -> None:
    finished(rig, begun(rig, order_id))


def cancel(rig: Rig, order_id: OrderId) -> None:
    rig.services.orders.cancel(CancelOrder(order_id=order_id, reason=Reason.OUT_OF_STOCK))


@pytest.mark.parametrize("style", ["orchestrated", "choreographed"])
@pytest.mark.parametrize(("end", "outcome"), [(confirm, ("confirmed", None)), (cancel, ("cancelled", "out_of_stock"))])
async def test_an_order_that_ends_in_time_is_answered_with_its_outcome(
    rig: Rig,
    client: httpx.AsyncClient,
    live: LiveOrders,
    style: str,
    end: Callable[[Rig, OrderId], None],
    outcome: tuple[str, str | None],
) -> None:
    answering = asyncio.create_task(client.post("/orders", json=ORDER | {"style": style}, headers=WAIT))
    await until(watched(live, ORDER_ID))
    await asyncio.to_thread(end, rig, ORDER_ID)
    answer = await answering

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=9")
    assert answer.headers["Location"] == f"/orders/{ORDER_ID}"
    shown = answer.json()
    assert (shown["order_id"], shown["style"], (shown["status"], shown["reason"])) == (ORDER_ID, style, outcome)
    again = await client.post("/orders", json=ORDER | {"style": style}, headers=WAIT)
    assert (again.status_code, again.json()) == (200, shown)


async def test_a_pair_is_answered_when_both_orders_are_finished(
    rig: Rig, client: httpx.AsyncClient, live: LiveOrders
) -> None:
    answering = asyncio.create_task(client.post("/order-pairs", json=PAIR, headers=WAIT))
    await until(watched(live, *PAIR_IDS))
    await asyncio.to_thread(confirm, rig, PAIR_IDS[0])
    await until(lambda: not watched(live, PAIR_IDS[0])())
    assert not answering.done()
    await asyncio.to_thread(cancel, rig, PAIR_IDS[1])
    answer = await answering

    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["orchestrated"]["order_id"], shown["orchestrated"]["status"]) == (PAIR_IDS[0], "confirmed")
    assert (shown["choreographed"]["order_id"], shown["choreographed"]["reason"]) == (PAIR_IDS[1], "out_of_stock")


@pytest.mark.parametrize(("path", "body"), [("/orders", ORDER), ("/order-pairs", PAIR)])
async def test_after_the_time_the_answer_is_the_usual_one(
    client: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    key = {"Idempotency-Key": "key"}
    began = time.monotonic()

    late = await client.post(path, json=body, headers=key | {"Prefer": "wait=1"})

    assert time.monotonic() - began >= 1
    assert (late.status_code, late.headers["Preference-Applied"]) == (202, "wait=1")
    usual = await client.post(path, json=body, headers=key)
    assert (usual.status_code, usual.json()) == (202, late.json())
    assert "Preference-Applied" not in usual.headers


@pytest.mark.parametrize(
    "prefer",
    [
        "wait",
        "wait=",
        "wait=0",
        "wait=-1",
        "wait=1.5",
        "wait=soon",
        "await=5",
        "return=minimal",
        ",",
        "wait=" + 5_000 * "9",
    ],
)
async def test_what_is_no_wait_is_ignored(client: httpx.AsyncClient, prefer: str) -> None:
    answer = await client.post("/orders", json=ORDER, headers={"Prefer": prefer})

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        (["wait=5"], "wait=5"),
        (['WAIT = "5"'], "wait=5"),
        (["respond-async, wait=5; x=y"], "wait=5"),
        (["return=minimal", "wait=5", "wait=6"], "wait=5"),
        (["wait=999999999"], "wait=30"),
    ],
)
async def test_the_first_wait_counts_and_is_bounded(
    rig: Rig, client: httpx.AsyncClient, live: LiveOrders, prefer: list[str], applied: str
) -> None:
    headers = [("Prefer", each) for each in prefer] + [("Idempotency-Key", "key")]
    answering = asyncio.create_task(client.post("/orders", json=ORDER, headers=headers))
    await until(watched(live, ORDER_ID))
    await asyncio.to_thread(cancel, rig, ORDER_ID)

    assert (await answering).headers["Preference-Applied"] == applied


async def test_a_client_that_goes_away_is_not_waited_for(rig: Rig, client: httpx.AsyncClient, live: LiveOrders) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/orders", json=ORDER, headers=WAIT | {"Prefer": "wait=30"}, timeout=0.5)

    await until(lambda: not watched(live, ORDER_ID)())
    assert live._free == 2
    assert rig.services.orders.find(ORDER_ID).finished_at is None  # it is placed all the same


async def test_when_too_many_wait_the_answer_comes_at_once(client: httpx.AsyncClient, live: LiveOrders) -> None:
    waiting = [asyncio.create_task(client.post("/orders", json=ORDER, headers={"Prefer": "wait=30"})) for _ in range(2)]
    await until(lambda: live._free == 0)

    answer = await client.post("/orders", json=ORDER, headers=WAIT)

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    live.close()  # as when the server stops
    assert [(await each).status_code for each in waiting] == [202, 202]


async def test_an_order_that_cannot_be_read_while_it_is_waited_for_is_placed(
    rig: Rig, client: httpx.AsyncClient, live: LiveOrders
) -> None:
    async def away(_: OrderId) -> None:
        raise DatabaseFault("away")

    live._read = away  # type: ignore[assignment]

    answer = await client.post("/orders", json=ORDER, headers=WAIT)

    assert answer.status_code == 202
    assert rig.outbox() == [(ORDER_ID, "order.requested")]
