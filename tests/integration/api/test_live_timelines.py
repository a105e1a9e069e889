"""The timeline as a stream, from the real app behind a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2 as httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.event_streams import Durations
from api.live_orders import LiveOrders, Pace
from domain.commands import ChargePayment, ConfirmOrder, CreateOrder, ReserveInventory, ScheduleShipping
from domain.events import OrderCreated
from domain.ids import OrderId
from tests.integration.api.bodies import ORDER, PRODUCT, Json
from tests.integration.api.rig import Rig

STREAM = {"Accept": "text/event-stream"}
WHOLE_STORY = [
    "order.requested",
    "order.created",
    "payment.completed",
    "inventory.reserved",
    "shipping.scheduled",
    "order.confirmed",
]
PACE = Pace(quick=0.02, slow=0.05)


@dataclass
class Message:
    """`comment` is a line that begins with a colon, alone in its message."""

    data: Json = field(default_factory=dict)
    id: str | None = None
    event: str = "message"
    comment: str | None = None


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what it waits for sets no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def served(rig: Rig) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    app = create_app(rig.dependencies)
    app.state.live_orders = LiveOrders(app.state.live_orders._look_at, streams=2, pace=PACE)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=2))
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield app, client
    server.should_exit = True
    await serving


@pytest.fixture
def client(served: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return served[1]


@pytest.fixture
def app(served: tuple[FastAPI, httpx.AsyncClient]) -> FastAPI:
    return served[0]


@asynccontextmanager
async def stream_of(
    client: httpx.AsyncClient, order_id: str, after: str | None = None, query: str = ""
) -> AsyncIterator[AsyncIterator[Message]]:
    headers = STREAM | ({"Last-Event-ID": after} if after else {})
    async with client.stream("GET", f"/orders/{order_id}/timeline{query}", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.aiter_lines())


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[Message]:
    found = Message()
    async for line in lines:
        name, _, value = line.partition(": ")
        if not line:
            if found != Message():
                yield found
            found = Message()
        elif name == "data":
            found.data = json.loads(value)
        elif name == "id":
            found.id = value
        elif name == "event":
            found.event = value
        elif line.startswith(":"):
            found.comment = value


async def placed(client: httpx.AsyncClient) -> OrderId:
    (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()
    return OrderId((await client.post("/orders", json=ORDER)).json()["order_id"])


def begun(rig: Rig, order_id: OrderId) -> OrderCreated:
    event = rig.services.orders.create(CreateOrder(order=rig.services.orders.find(order_id).request))
    assert isinstance(event, OrderCreated)
    rig.services.payments.charge(ChargePayment(order=event.order))
    return event


def finished(rig: Rig, created: OrderCreated) -> None:
    rig.services.inventory.reserve(ReserveInventory(order=created.order))
    rig.services.shipping.schedule(ScheduleShipping(order=created.order))
    rig.services.orders.confirm(ConfirmOrder(order_id=created.order_id))


async def rest_of(told: AsyncIterator[Message]) -> list[Message]:
    async with asyncio.timeout(10):
        return [message async for message in told]


def types(told: list[Message]) -> list[str]:
    return [message.data["type"] for message in told if message.event == "message" and message.data]


async def test_what_happens_is_told_as_it_happens_and_ends_with_the_order(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id) as told:
        first = await anext(told)
        assert (first.data["type"], first.id) == ("order.requested", first.data["event_id"])
        created = await asyncio.to_thread(begun, rig, order_id)
        assert types([await anext(told), await anext(told)]) == ["order.created", "payment.completed"]
        await asyncio.to_thread(finished, rig, created)
        rest = await rest_of(told)

    assert types(rest) == WHOLE_STORY[3:]
    as_json = (await client.get(f"/orders/{order_id}/timeline")).json()["events"]
    assert [message.data for message in rest] == as_json[3:]


async def test_a_lost_stream_goes_on_behind_the_last_event_that_was_heard(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    created = begun(rig, order_id)
    async with stream_of(client, order_id) as told:
        heard = [await anext(told), await anext(told)]
    finished(rig, created)

    async with stream_of(client, order_id, after=heard[-1].id) as told:
        rest = await rest_of(told)

    assert types(heard + rest) == WHOLE_STORY


async def test_whoever_has_heard_the_last_event_is_told_not_to_come_back(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    finished(rig, begun(rig, order_id))
    async with stream_of(client, order_id) as told:
        last = (await rest_of(told))[-1]

    again = await client.get(f"/orders/{order_id}/timeline", headers=STREAM | {"Last-Event-ID": str(last.id)})

    assert again.status_code == 204


async def test_an_id_that_was_never_told_begins_at_the_beginning(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    finished(rig, begun(rig, order_id))

    async with stream_of(client, order_id, after="of another order") as told:
        assert types(await rest_of(told)) == WHOLE_STORY


async def test_with_state_the_order_is_told_whenever_it_changed(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id, query="?state=true") as told:
        first = [await anext(told), await anext(told)]
        finished(rig, begun(rig, order_id))
        rest = await rest_of(told)

    assert [message.event for message in first] == ["message", "order"]
    orders = [message for message in first + rest if message.event == "order"]
    assert orders[0].data["status"] == "pending"
    assert orders[-1].data == (await client.get(f"/orders/{order_id}")).json()
    assert orders[-1].data["status"] == "confirmed"
    assert all(message.id is None for message in orders)


async def test_while_nothing_happens_a_comment_says_that_the_stream_lives(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    app.state.stream_durations = Durations(heartbeat=0.02)
    order_id = await placed(client)

    async with stream_of(client, order_id) as told:
        await anext(told)
        assert [(await anext(told)).comment for _ in range(2)] == ["heartbeat", "heartbeat"]


async def test_a_stream_has_an_end_though_the_order_has_none(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.state.stream_durations = Durations(whole=0.1)
    order_id = await placed(client)

    async with stream_of(client, order_id) as told:
        assert types(await rest_of(told)) == ["order.requested"]


async def test_one_stream_too_many_is_turned_away_until_another_ends(client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id) as one, stream_of(client, order_id) as two:
        await anext(one)
        await anext(two)
        refused = await client.get(f"/orders/{order_id}/timeline", headers=STREAM)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    async with asyncio.timeout(10):
        while True:
            async with client.stream("GET", f"/orders/{order_id}/timeline", headers=STREAM) as answer:
                if answer.status_code == 200:
                    break


async def test_an_order_is_read_by_one_task_and_only_while_it_is_watched(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)
    live: LiveOrders = app.state.live_orders

    async with stream_of(client, order_id) as one, stream_of(client, order_id) as two:
        await anext(one)
        await anext(two)
        watched = live._orders[order_id]
        assert (watched.streams, len(live._orders)) == (2, 1)
        assert watched.reading is not None

    await until(lambda: not watched.streams and watched.reading is None)


async def test_when_the_server_stops_streams_end(app: FastAPI, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id) as told:
        await anext(told)
        app.state.live_orders.close()
        assert await rest_of(told) == []


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, */*;q=0.8"])
async def test_who_asks_for_no_stream_gets_json(client: httpx.AsyncClient, accept: str) -> None:
    order_id = await placed(client)

    answer = await client.get(f"/orders/{order_id}/timeline", headers={"Accept": accept})

    assert answer.json()["events"][0]["type"] == "order.requested"
    assert answer.headers["Vary"] == "Accept"


async def test_a_stream_of_an_unknown_order_is_a_404(client: httpx.AsyncClient) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"

    assert (await client.get(f"/orders/{unknown}/timeline", headers=STREAM)).status_code == 404
