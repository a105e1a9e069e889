"""Dead letters through the API, on a real broker."""

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest

from messaging.kafka.dead_letter_box import DeadLetterBox
from runtime.kafka import CONSUMED_TOPICS
from tests.support.api_bodies import Json
from tests.support.api_rig import Rig
from tests.support.broker import Broker
from tests.support.topic import Topic

ORDER_ID = "0b1f5e9a-3f0e-4d5e-9f6b-111111111111"
SECRET = b'{"recipient": "Ana Souza", "token": "tok_visa"}'
FIELDS = {
    *("place", "buried_at", "type", "order_id", "topic", "partition", "offset", "timestamp_ms"),
    *("group", "error", "message", "attempts", "can_be_redriven"),
}


@pytest.fixture
def rig_on_broker(rig: Rig, broker: Broker) -> Rig:
    rig.dependencies = replace(
        rig.dependencies, dead_letters=DeadLetterBox(broker.connection, CONSUMED_TOPICS, read_at_most=20)
    )
    return rig


@pytest.fixture
async def api(rig_on_broker: Rig) -> httpx.AsyncClient:
    return rig_on_broker.client()


def bury(
    broker: Broker, *, topic: str = "orders", key: str = ORDER_ID, group: str = "payment-service", **more: bytes
) -> None:
    story = {
        "topic": topic.encode(),
        "partition": b"3",
        "offset": b"17",
        "timestamp": b"1700000000000",
        "group": group.encode(),
        "error": b"GatewayFault",
        "message": b"503 from the card network",
        "attempts": b"8",
        **more,
    }
    headers = [("ce_type", b"order.created"), *((f"dead_letter_{name}", value) for name, value in story.items())]
    broker.topic(f"{topic}.dlq").put(SECRET, key.encode(), headers)


def redriven_to(topic: Topic, count: int) -> list[bytes | None]:
    return [message.key for message in topic.await_messages(count)]


async def items(api: httpx.AsyncClient, query: str = "") -> list[Json]:
    answer = await api.get(f"/dead-letters{query}")
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


async def test_a_letter_shows_why_it_is_there_and_never_its_value(api: httpx.AsyncClient, broker: Broker) -> None:
    bury(broker)

    (listed,) = await items(api)
    shown = await api.get(f"/dead-letters/{listed['place']}")

    assert shown.json() == listed
    assert set(listed) == FIELDS
    assert {name: listed[name] for name in FIELDS - {"place", "buried_at"}} == {
        "type": "order.created",
        "order_id": ORDER_ID,
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "timestamp_ms": 1_700_000_000_000,
        "group": "payment-service",
        "error": "GatewayFault",
        "message": "503 from the card network",
        "attempts": 8,
        "can_be_redriven": True,
    }
    assert "Ana" not in shown.text
    assert "tok_visa" not in shown.text


async def test_a_letter_with_incomplete_headers_is_shown_with_nulls(api: httpx.AsyncClient, broker: Broker) -> None:
    broker.topic("orders.dlq").put(SECRET, b"no order", [("dead_letter_attempts", b"many")])

    (listed,) = await items(api)

    assert [listed[name] for name in ("type", "order_id", "topic", "attempts")] == [None] * 4


async def test_letters_are_filtered_by_topic_group_and_order(api: httpx.AsyncClient, broker: Broker) -> None:
    other = ORDER_ID.replace("1", "2")
    bury(broker, topic="orders", group="payment-service")
    bury(broker, topic="inventory", group="payment-service", key=other)
    bury(broker, topic="inventory", group="shipping-service")

    async def found(query: str) -> list[tuple[str, str]]:
        return sorted((item["topic"], item["group"]) for item in await items(api, query))

    assert await found("?topic=inventory") == [("inventory", "payment-service"), ("inventory", "shipping-service")]
    assert await found("?group=payment-service") == [("inventory", "payment-service"), ("orders", "payment-service")]
    assert await found(f"?order_id={other}") == [("inventory", "payment-service")]
    assert await found(f"?order_id={ORDER_ID}&topic=inventory") == [("inventory", "shipping-service")]
    assert await found("?topic=elsewhere") == []


async def test_a_list_is_paged_and_linked(api: httpx.AsyncClient, broker: Broker) -> None:
    for number in range(5):
        bury(broker, key=f"{number}{ORDER_ID[1:]}")

    seen: list[str] = []
    path: str | None = "/dead-letters?limit=2"
    while path and len(seen) < 20:
        answer = await api.get(path)
        seen += [item["place"] for item in answer.json()["items"]]
        path = answer.links["next"]["url"] if "next" in answer.links else None
        assert (path is None) == (answer.json()["next_cursor"] is None)

    assert len(seen) == len(set(seen)) == 5


async def test_one_letter_is_redriven_by_its_place(api: httpx.AsyncClient, broker: Broker) -> None:
    bury(broker)
    bury(broker, key=ORDER_ID.replace("1", "2"))
    place = next(item["place"] for item in await items(api) if item["order_id"] == ORDER_ID)

    answer = await api.post("/dead-letters/redrive", json={"place": place})

    assert (answer.status_code, answer.json()) == (202, {"redriven": 1, "cannot_go_back": 0, "next_cursor": None})
    assert redriven_to(broker.topic("orders"), 1) == [ORDER_ID.encode()]


async def test_letters_are_redriven_by_a_filter_and_all(api: httpx.AsyncClient, broker: Broker) -> None:
    bury(broker, topic="orders")
    bury(broker, topic="inventory", group="shipping-service")
    bury(broker, topic="inventory", omitted_bytes=b"9")

    filtered = await api.post("/dead-letters/redrive", json={"filter": {"group": "shipping-service"}})
    every = await api.post("/dead-letters/redrive", json={"all": True})

    assert filtered.json() == {"redriven": 1, "cannot_go_back": 0, "next_cursor": None}
    assert every.json() == {"redriven": 2, "cannot_go_back": 1, "next_cursor": None}
    assert len(redriven_to(broker.topic("inventory"), 2)) == 2


async def test_a_redrive_over_the_limit_of_one_call_continues_with_its_cursor(
    api: httpx.AsyncClient, broker: Broker
) -> None:
    for _ in range(25):
        bury(broker)

    first = (await api.post("/dead-letters/redrive", json={"all": True})).json()
    cursor = first["next_cursor"]
    second = (await api.post("/dead-letters/redrive", json={"all": True, "cursor": cursor})).json()

    assert (first["redriven"], second["redriven"], second["next_cursor"]) == (20, 5, None)
    assert cursor is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"all": False}, "body"),
        ({"all": True, "place": "orders.dlq/0/0"}, "body"),
        ({"place": "orders.dlq"}, "place"),
        ({"filter": {}}, "filter"),
        ({"filter": {"topics": "orders"}}, "filter.topics"),
        ({"all": True, "cursor": "nonsense"}, "cursor"),
        ({"all": True, "cursor": "MSBub3doZXJl"}, "cursor"),  # decodes, but names no place
    ],
)
async def test_a_redrive_without_a_choice_of_letters_is_a_422(api: httpx.AsyncClient, body: Json, field: str) -> None:
    answer = await api.post("/dead-letters/redrive", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("query", ["?limit=0", "?limit=201", "?cursor=nonsense", "?cursor=MSBub3doZXJl"])
async def test_a_list_with_invalid_parameters_is_a_422(api: httpx.AsyncClient, query: str) -> None:
    assert (await api.get(f"/dead-letters{query}")).status_code == 422


@pytest.mark.parametrize("place", ["orders.dlq/0/0", "orders.dlq/99/0", "orders/0/0", "elsewhere/0/0"])
async def test_a_place_without_a_letter_is_a_404(api: httpx.AsyncClient, place: str) -> None:
    shown = await api.get(f"/dead-letters/{place}")
    redriven = await api.post("/dead-letters/redrive", json={"place": place})

    assert (shown.status_code, redriven.status_code) == (404, 404)
    assert place in shown.json()["detail"]


async def test_a_letter_without_its_value_cannot_go_back(api: httpx.AsyncClient, broker: Broker) -> None:
    bury(broker, omitted_bytes=b"9")
    (letter,) = await items(api)

    answer = await api.post("/dead-letters/redrive", json={"place": letter["place"]})

    assert letter["can_be_redriven"] is False
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:twinsaga:problem:cannot-go-back")


async def test_without_a_broker_it_is_a_503(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        client.get("/dead-letters"), client.post("/dead-letters/redrive", json={"all": True})
    )

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
