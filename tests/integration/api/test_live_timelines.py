"""The timeline as a stream, from the real app behind a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message as AsgiMessage

from api.app import create_app
from api.event_streams import Durations
from api.live_orders import LiveOrders
from domain.ids import OrderId
from tests.support.api_bodies import ORDER, PRODUCT, Json
from tests.support.api_rig import Rig, begun, finished
from tests.support.waiting import until

STREAM = {"Accept": "text/event-stream"}
ALL_EVENTS = [
    "order.requested",
    "order.created",
    "payment.completed",
    "inventory.reserved",
    "shipping.scheduled",
    "order.confirmed",
]


@dataclass
class Message:
    """`comment`: a line that begins with a colon, alone in its message."""

    data: Json = field(default_factory=dict)
    id: str | None = None
    event: str = "message"
    comment: str | None = None


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


async def rest_of(stream: AsyncIterator[Message]) -> list[Message]:
    async with asyncio.timeout(10):
        return [message async for message in stream]


def types(received: list[Message]) -> list[str]:
    return [message.data["type"] for message in received if message.event == "message" and message.data]


async def test_a_stream_sends_events_as_they_happen_and_ends_with_the_order(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id) as stream:
        first = await anext(stream)
        assert (first.data["type"], first.id) == ("order.requested", first.data["event_id"])
        created = await asyncio.to_thread(begun, rig, order_id)
        assert types([await anext(stream), await anext(stream)]) == ["order.created", "payment.completed"]
        await asyncio.to_thread(finished, rig, created)
        rest = await rest_of(stream)

    assert types(rest) == ALL_EVENTS[3:]
    as_json = (await client.get(f"/orders/{order_id}/timeline")).json()["events"]
    assert [message.data for message in rest] == as_json[3:]


async def test_a_reconnected_stream_continues_behind_the_last_event_that_was_received(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)
    created = begun(rig, order_id)
    async with stream_of(client, order_id) as stream:
        received = [await anext(stream), await anext(stream)]
    finished(rig, created)

    async with stream_of(client, order_id, after=received[-1].id) as stream:
        rest = await rest_of(stream)

    assert types(received + rest) == ALL_EVENTS


async def test_a_client_that_has_the_last_event_of_a_finished_order_must_not_reconnect(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)
    finished(rig, begun(rig, order_id))
    async with stream_of(client, order_id) as stream:
        last = (await rest_of(stream))[-1]

    again = await client.get(f"/orders/{order_id}/timeline", headers=STREAM | {"Last-Event-ID": str(last.id)})

    assert again.status_code == 204


async def test_an_unknown_last_event_id_starts_from_the_first_event(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    finished(rig, begun(rig, order_id))

    async with stream_of(client, order_id, after="of another order") as stream:
        assert types(await rest_of(stream)) == ALL_EVENTS


async def test_with_state_the_stream_also_sends_the_order_whenever_it_changed(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id, query="?state=true") as stream:
        first = [await anext(stream), await anext(stream)]
        finished(rig, begun(rig, order_id))
        rest = await rest_of(stream)

    assert [message.event for message in first] == ["message", "order"]
    orders = [message for message in first + rest if message.event == "order"]
    assert orders[0].data["status"] == "pending"
    assert orders[-1].data == (await client.get(f"/orders/{order_id}")).json()
    assert orders[-1].data["status"] == "confirmed"
    assert all(message.id is None for message in orders)


async def test_while_nothing_changes_the_stream_sends_heartbeat_comments(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    app.state.stream_durations = Durations(heartbeat=0.02)
    order_id = await placed(client)

    async with stream_of(client, order_id) as stream:
        await anext(stream)
        assert [(await anext(stream)).comment for _ in range(2)] == ["heartbeat", "heartbeat"]


async def test_a_stream_ends_after_its_time_although_the_order_is_not_finished(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    app.state.stream_durations = Durations(whole=0.1)
    order_id = await placed(client)

    async with stream_of(client, order_id) as stream:
        assert types(await rest_of(stream)) == ["order.requested"]


async def test_a_stream_over_the_limit_is_refused_until_another_one_ends(client: httpx.AsyncClient) -> None:
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


async def test_one_task_reads_an_order_and_only_while_it_has_a_stream(app: FastAPI, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)
    live: LiveOrders = app.state.live_orders

    async with stream_of(client, order_id) as one, stream_of(client, order_id) as two:
        await anext(one)
        await anext(two)
        watched = live._orders[order_id]
        assert (watched.streams, len(live._orders)) == (2, 1)
        assert watched.reading is not None

    await until(lambda: not watched.streams and watched.reading is None)


async def test_streams_end_when_the_server_stops(app: FastAPI, client: httpx.AsyncClient) -> None:
    order_id = await placed(client)

    async with stream_of(client, order_id) as stream:
        await anext(stream)
        app.state.live_orders.close()
        assert await rest_of(stream) == []


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, */*;q=0.8"])
async def test_without_the_media_type_of_a_stream_the_answer_is_json(client: httpx.AsyncClient, accept: str) -> None:
    order_id = await placed(client)

    answer = await client.get(f"/orders/{order_id}/timeline", headers={"Accept": accept})

    assert answer.json()["events"][0]["type"] == "order.requested"
    assert answer.headers["Vary"] == "Accept"


async def test_a_stream_of_an_unknown_order_is_a_404(client: httpx.AsyncClient) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"

    assert (await client.get(f"/orders/{unknown}/timeline", headers=STREAM)).status_code == 404


async def test_a_stream_whose_client_stops_reading_ends_after_its_time(rig: Rig) -> None:
    stalled, events = asyncio.Event(), asyncio.Queue[Json]()

    async def send(message: AsgiMessage) -> None:
        await events.put(dict(message))
        if message["type"] == "http.response.body":
            await stalled.wait()  # a full socket buffer

    async def receive() -> AsgiMessage:
        await stalled.wait()
        raise AssertionError

    app = create_app(rig.dependencies)
    app.state.stream_durations = Durations(heartbeat=0.01, whole=0.05)
    async with rig.client() as client:
        order_id = await placed(client)
    key = (b"authorization", f"Bearer {rig.caller.key}".encode())
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/orders/{order_id}/timeline",
        "headers": [(b"host", b"localhost"), (b"accept", b"text/event-stream"), key],
        "query_string": b"",
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)

    assert [events.get_nowait()["type"] for _ in range(2)] == ["http.response.start", "http.response.body"]
