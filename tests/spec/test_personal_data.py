"""After orders of every kind, card tokens and addresses are where they are needed, and nowhere else: decision 35."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest
from kafka import KafkaAdminClient
from redis import Redis
from temporalio.client import Client

from comparison.scenarios import SCENARIOS
from event_catalog.personal_data import ADDRESS, TOKEN, personal_data_in
from tests.spec.conftest import STYLES
from tests.support.estate import Estate
from tests.support.kafka_topics import SAGA_TOPICS, Message, records_of
from tests.support.operators import cancel, pay, pending_pix, retry, stuck_order
from tests.support.shop import Shop
from tests.support.stack import Json, Stack

pytestmark = pytest.mark.long

OF_OTHERS = {"order-requests", "order-requests.dlq"}
"""A producer of the estate writes whole orders there, before any service of ours has them."""
TOKENS = (b"tok_refundFlaky", b"tok_gatewayFlaky", b"tok_chargedThenTimeout")
"""Of orders that the tests of this folder place through the API only."""


@dataclass(frozen=True)
class Customer:
    """Words that occur nowhere else. The name is no secret here: a scan that does not find it sees nothing."""

    customer_id: str
    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def address(self) -> Json:
        mark = self.mark
        parts = {"recipient": f"R{mark}", "street": f"S{mark} 7", "city": f"C{mark}"}
        return parts | {"postal_code": "01310-100", "country": "BR"}

    def order(self, shop: Shop, scenario: str, token: str) -> Json:
        order = shop.prepared(SCENARIOS[scenario])
        address = self.address | {"postal_code": order["shipping_address"]["postal_code"]}
        payment = {"method": "card", "token": token}
        return order | {"customer_id": self.customer_id, "payment": payment, "shipping_address": address}


@pytest.fixture
def estate(stack: Stack) -> Iterator[Estate]:
    with stack.client() as client:
        estate = Estate(stack, client)
        yield estate
        estate.celery.close()


def played(shop: Shop, estate: Estate, customer: Customer) -> list[str]:
    """Orders of both styles: confirmed, undone, with a dead letter, paid by pix, cancelled, by Celery."""
    of_shop = []
    for style in STYLES:
        of_shop += [
            shop.place(customer.order(shop, "ok", "tok_gatewayFlaky"), style),
            shop.place(customer.order(shop, "ok", "tok_chargedThenTimeout"), style),
            shop.place(customer.order(shop, "undeliverable", "tok_refundFlaky"), style),
        ]
        paid, cancelled = pending_pix(shop, style), pending_pix(shop, style)
        pay(shop, paid)
        cancel(shop, cancelled).raise_for_status()
        stuck = stuck_order(shop, style)
        assert retry(shop, stuck).status_code == 202
        of_shop += [paid, cancelled, stuck]
    by_task = estate.call("twinsaga.place_order", customer.order(shop, "ok", "tok_gatewayFlaky"))
    of_shop.append(by_task.get(timeout=60)["order_id"])
    for order_id in of_shop:
        shop.await_end(order_id)
    return of_shop


def files_of(stack: Stack) -> Mapping[str, bytes]:
    """All but the books of the gateway, which issues the tokens, and what Redis has done: see `redis_of`.

    The message of a Celery task stays in the latter until Redis rewrites it.
    """
    return {
        str(path.relative_to(stack.data)): path.read_bytes()
        for path in stack.data.rglob("*")
        if path.is_file() and not path.name.startswith(("gateway.db", "appendonly.aof"))
    } | {"terminal": stack.printed.encode()}


def records_of_all_topics(stack: Stack) -> list[Message]:
    bootstrap = stack.ready["kafka"]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        topics = [topic for topic in admin.list_topics() if not topic.startswith("__")]
    finally:
        admin.close()
    return records_of(bootstrap, *topics)


def redis_of(stack: Stack) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for database in range(3):
        with Redis.from_url(f"{stack.ready['redis']}/{database}") as redis:
            for key in redis.scan_iter():
                reads = {b"string": redis.get, b"hash": redis.hgetall, b"set": redis.smembers}
                kind = redis.type(key)
                read = reads.get(kind)
                value = read(key) if read else redis.lrange(key, 0, -1) if kind == b"list" else kind
                found[f"redis {database} {key!r}"] = repr(value).encode()
    return found


async def histories_of(stack: Stack, order_ids: list[str]) -> Mapping[str, bytes]:
    client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    found: dict[str, bytes] = {}
    async for each in client.list_workflows():
        if any(order_id in each.id for order_id in order_ids):
            handle = client.get_workflow_handle(each.id, run_id=each.run_id)
            history = await handle.fetch_history()
            found[f"history {each.id}"] = b"".join(event.SerializeToString() for event in history.events)
            found[f"description {each.id}"] = (await handle.describe()).raw_description.SerializeToString()
    return found


def pages_of(stack: Stack, shop: Shop, order_ids: list[str]) -> Mapping[str, bytes]:
    paths = ["/orders", "/dead-letters", "/audit", "/metrics"]
    paths += [f"/orders/{order_id}{part}" for order_id in order_ids for part in ("", "/timeline")]
    found = {path: shop.client.get(path).content for path in paths}
    elsewhere = [f"{stack.ready['flower']}/tasks", f"{stack.ready['mail']}/mails"]
    elsewhere += stack.ready["metrics"].values()
    for url in elsewhere:
        answer = httpx.get(url, timeout=20)
        answer.raise_for_status()
        found[url] = answer.content
    return found


def test_no_other_place_holds_a_token_or_an_address(shop: Shop, stack: Stack, estate: Estate) -> None:
    mail = f"{uuid4().hex}@example.com"
    customer = Customer(estate.customer(mail))
    order_ids = played(shop, estate, customer)
    estate.await_mails(mail, {"Your order is confirmed", "Your order is cancelled"})

    records = records_of_all_topics(stack)
    shop.assert_books_right()
    places = {
        **files_of(stack),
        **redis_of(stack),
        **asyncio.run(histories_of(stack, order_ids)),
        **pages_of(stack, shop, order_ids),
        **{
            f"{each.topic}/{each.partition}/{each.offset}": repr(each).encode()
            for each in records
            if each.topic not in OF_OTHERS
        },
    }

    seen = {name for name, content in places.items() if customer.customer_id.encode() in content}
    assert {"orders.db", "payments.db"} <= {name.removesuffix("-wal") for name in seen}
    assert {"orders", "payments"} <= {name.partition("/")[0] for name in seen}
    assert {name for name in seen if name.startswith("history order-saga/")}
    secrets = (customer.mark.encode(), *TOKENS)
    assert [(name, secret) for name, content in places.items() for secret in secrets if secret in content] == []
    assert_as_documented([each for each in records if each.topic in SAGA_TOPICS and each.key])


def assert_as_documented(records: list[Message]) -> None:
    """Each event holds no more than the AsyncAPI document says."""
    for record in records:
        event = json.loads(record.value or b"{}")
        order = event.get("order") or event.get("request") or {}
        held = {TOKEN} if order.get("payment", {}).get("token") else set()
        held |= {ADDRESS} if any(order.get("shipping_address", {}).values()) else set()
        assert held <= set(personal_data_in(record.event_type)), record.event_type


def test_keys_are_private(stack: Stack) -> None:
    keys: Path = stack.data / "keys"
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in keys.iterdir()} == {
        "payment_sealing_keys": "0o600",
        "shipping_sealing_keys": "0o600",
    }
    assert oct(keys.stat().st_mode & 0o777) == "0o700"
