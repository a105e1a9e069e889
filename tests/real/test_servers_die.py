"""A real server is killed while orders run, and started again. No order is lost or doubled."""

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2 as httpx
import pytest

from comparison.scenarios import SCENARIOS, Scenario
from tests.real.servers import Servers
from tests.support.shop import FINISHED, Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

ORDERS = int(os.environ.get("TWINSAGA_TEST_ORDERS", "100"))
STYLES = ("orchestrated", "choreographed")
MIXED = ("ok", "declined", "undeliverable", "flaky_gateway", "two_lines")
PROGRESS_S = 30.0
"""Deadline for the first order that ends after the server is back."""
END_S = 300.0


@dataclass(slots=True)
class Run:
    """Orders of both styles, placed by customers who retry with the same key until they get a response."""

    shop: Shop
    stack: Stack
    placed: dict[str, Scenario] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def place(self, number: int, prepared: dict[str, Json]) -> None:
        scenario = SCENARIOS[MIXED[number // 2 % len(MIXED)]]
        body, key = prepared[scenario.name] | {"style": STYLES[number % 2]}, uuid4().hex
        with self.stack.client() as client:
            order_id = eventually(lambda: placed(client, body, key), "the order is accepted", END_S, every_s=0.2)
        with self._lock:
            self.placed[order_id] = scenario

    def ends(self) -> dict[str, Json]:
        """From the list: a request for each order would be most of the load."""
        found: dict[str, Json] = {}
        for style in STYLES:
            for status in FINISHED:
                found |= {order["order_id"]: order for order in listed(self.shop, style, status)}
        return {order_id: order for order_id, order in found.items() if order_id in self.placed}


def listed(shop: Shop, style: str, status: str) -> list[Json]:
    try:
        answer = shop.client.get("/orders", params={"style": style, "status": status, "limit": ORDERS})
    except httpx.TransportError:
        return []
    items: list[Json] = answer.json()["items"] if answer.is_success else []  # none while the database is away
    return items


def placed(client: httpx.Client, body: Json, key: str) -> str | None:
    try:
        answer = client.post("/orders", json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None
    return str(answer.json()["order_id"]) if answer.status_code == httpx.codes.ACCEPTED else None


@pytest.mark.parametrize("name", ["kafka", "redis", "temporal", "postgres"])
def test_every_order_ends_once_although_a_server_was_killed(
    shop: Shop, stack: Stack, servers: Servers, name: str
) -> None:
    prepared = {name: shop.prepared(SCENARIOS[name]) for name in MIXED}
    run = Run(shop, stack)
    with ThreadPoolExecutor(4) as customers:
        placing = [customers.submit(run.place, number, prepared) for number in range(ORDERS)]
        eventually(lambda: len(run.placed) > ORDERS // 4, "a quarter of the orders is placed", END_S)
        servers.kill(name)
        servers.start(name)
        ended_before = len(run.ends())
        goes_on = lambda: (ended := len(run.ends())) > ended_before or ended == ORDERS  # noqa: E731 - as a name
        eventually(goes_on, "orders end again", PROGRESS_S, every_s=0.5)
        for one in placing:
            one.result()
    eventually(lambda: len(run.ends()) == ORDERS, f"all {ORDERS} orders have ended", END_S, every_s=1.0)

    ends = {order_id: shop.order(order_id) for order_id in run.placed}
    outcomes = {order_id: (order["status"], order["reason"]) for order_id, order in ends.items()}
    assert outcomes == {order_id: (scenario.status, scenario.reason) for order_id, scenario in run.placed.items()}
    assert Counter(order["style"] for order in ends.values()) == dict.fromkeys(STYLES, ORDERS // 2)
    for order_id in ends:
        twice = {kind: many for kind, many in Counter(e["type"] for e in shop.timeline(order_id)).items() if many > 1}
        assert twice == {}, order_id
