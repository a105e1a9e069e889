"""SIGKILL at the moments where two writes could part."""

import sqlite3
from contextlib import closing

import pytest

from comparison.scenarios import SCENARIOS
from tests.chaos.kafka_proxy import ApiKey
from tests.chaos.proxied_stack import ProxiedStack
from tests.support.kafka_topics import messages_of
from tests.support.shop import Shop
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("service", "does"),
    [
        ("order-service", "order.created"),
        ("payment-service", "payment.completed"),
        ("inventory-service", "inventory.reserved"),
        ("shipping-service", "shipping.scheduled"),
    ],
)
def test_a_consumer_killed_between_commit_and_offset(
    shop: Shop, proxied: ProxiedStack, service: str, does: str
) -> None:
    order = shop.prepared(SCENARIOS["ok"])

    with proxied.proxy.holding(ApiKey.OFFSET_COMMIT, service.encode()) as hold:
        order_id = shop.place(order, "choreographed")
        eventually(lambda: does in [event["type"] for event in shop.timeline(order_id)], f"{does} is recorded")
        eventually(hold.held.is_set, f"{service} is about to commit its offset")
        proxied.stack.kill(service)

    end = shop.await_end(order_id)
    assert end["status"] == "confirmed"
    assert [event["type"] for event in shop.timeline(order_id)].count(does) == 1


def test_a_relay_killed_between_send_and_mark(shop: Shop, proxied: ProxiedStack) -> None:
    order = shop.prepared(SCENARIOS["ok"])

    with proxied.proxy.holding(ApiKey.PRODUCE, b"payment.completed", answers=True) as hold:
        order_id = shop.place(order, "choreographed")
        eventually(hold.held.is_set, "the broker's acknowledgement is held back")
        proxied.stack.kill("payment-service")

    assert shop.await_end(order_id)["status"] == "confirmed"
    sent = [
        message.event_id
        for message in messages_of(proxied.broker, order_id, "payments")
        if message.event_type == "payment.completed"
    ]
    assert len(sent) > 1
    assert len(set(sent)) == 1


@pytest.mark.parametrize(("style", "victim"), [("orchestrated", "saga-worker"), ("choreographed", "payment-service")])
def test_a_process_killed_while_a_charge_is_in_flight(
    shop: Shop, proxied: ProxiedStack, style: str, victim: str
) -> None:
    order = shop.prepared(SCENARIOS["ok"])
    books = proxied.stack.data / "gateway.db"

    with closing(sqlite3.connect(books, isolation_level=None)) as gateway:
        gateway.execute("BEGIN IMMEDIATE")  # the gateway takes the call and does not answer
        order_id = shop.place(order, style)
        eventually(
            lambda: "order.created" in [event["type"] for event in shop.timeline(order_id)], "the charge comes next"
        )
        proxied.stack.kill(victim)
        gateway.execute("ROLLBACK")

    end = shop.await_end(order_id)
    assert end["status"] == "confirmed"
    assert end["payment"]["captured"] == end["total"]["amount"]


@pytest.mark.parametrize("victim", ["saga-worker", "order-service", "payment-service", "inventory-service", "temporal"])
def test_orders_survive_the_death_of_a_process_under_load(shop: Shop, proxied: ProxiedStack, victim: str) -> None:
    names = ("ok", "declined", "undeliverable", "flaky_gateway")
    placed = [
        (scenario, shop.place(shop.prepared(scenario), style))
        for _ in range(3)
        for scenario in (SCENARIOS[name] for name in names)
        for style in ("orchestrated", "choreographed")
    ]

    proxied.stack.kill(victim)

    for scenario, order_id in placed:
        end = shop.await_end(order_id, 90.0)
        assert (end["status"], end["reason"]) == (scenario.status, scenario.reason)
