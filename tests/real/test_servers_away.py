"""Some work continues while a real server is away, and some waits: the table of docs/deploy.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx2 as httpx

from comparison.scenarios import SCENARIOS
from tests.real.servers import Servers
from tests.support.estate import Estate
from tests.support.operators import outcomes_of, pay, pending_pix
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually

END_S = 90.0


@contextmanager
def away(servers: Servers, name: str) -> Iterator[None]:
    servers.kill(name)
    try:
        yield
    finally:
        servers.start(name)


def assert_retry_later(answer: httpx.Response) -> None:
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["Retry-After"]


def test_without_kafka_orchestrated_orders_end_and_choreographed_ones_wait(
    shop: Shop, stack: Stack, servers: Servers
) -> None:
    order, unpaid = shop.prepared(SCENARIOS["ok"]), pending_pix(shop, "orchestrated")
    with away(servers, "kafka"):
        orchestrated, choreographed = shop.place(order, "orchestrated"), shop.place(order, "choreographed")
        settled = shop.client.post("/webhooks/payments", json={"order_id": unpaid, "status": "settled"})

        assert shop.await_end(orchestrated, END_S)["status"] == "confirmed"
        assert_retry_later(settled)
        assert shop.order(choreographed)["status"] == "pending"

    assert shop.await_end(choreographed, END_S)["status"] == "confirmed"
    assert outcomes_of(stack, orchestrated)[0].event_type == "order.confirmed"
    pay(shop, unpaid)
    assert shop.await_end(unpaid, END_S)["status"] == "confirmed"


def test_without_redis_orders_of_both_styles_end_and_mails_wait(shop: Shop, stack: Stack, servers: Servers) -> None:
    order, estate = shop.prepared(SCENARIOS["ok"]), Estate(stack, shop.client)
    address = f"ana.{uuid4().hex}@example.com"
    try:
        with away(servers, "redis"):
            placed = [shop.place(order, style) for style in ("orchestrated", "choreographed")]
            estate.customer(address)

            assert [shop.await_end(order_id, END_S)["status"] for order_id in placed] == ["confirmed"] * 2

        assert len(estate.await_mails(address, {"Welcome!"}, END_S)) == 1
    finally:
        estate.celery.close()


def test_without_temporal_choreographed_orders_end_and_orchestrated_ones_are_refused(
    shop: Shop, servers: Servers
) -> None:
    order, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex
    body, headers = order | {"style": "orchestrated"}, {"Idempotency-Key": key}
    with away(servers, "temporal"):
        choreographed = shop.place(order, "choreographed")
        refused = shop.client.post("/orders", json=body, headers=headers)

        assert shop.await_end(choreographed, END_S)["status"] == "confirmed"
        assert_retry_later(refused)

    def placed() -> str | None:
        answer = shop.client.post("/orders", json=body, headers=headers)
        return str(answer.json()["order_id"]) if answer.is_success else None

    order_id = eventually(placed, "the same order is accepted", END_S, every_s=0.5)
    assert shop.await_end(order_id, END_S)["status"] == "confirmed"


def test_without_postgres_orders_are_refused_and_running_ones_continue_afterwards(shop: Shop, servers: Servers) -> None:
    order = shop.prepared(SCENARIOS["ok"])
    placed = [shop.place(order, style) for style in ("orchestrated", "choreographed") for _ in range(3)]
    with away(servers, "postgres"):
        refused = shop.client.post("/orders", json=order | {"style": "choreographed"})

        assert_retry_later(refused)

    def all_ended() -> bool:
        answers = [shop.client.get(f"/orders/{order_id}") for order_id in placed]
        return all(answer.is_success and answer.json()["status"] == "confirmed" for answer in answers)

    eventually(all_ended, "every order is confirmed", END_S, every_s=0.5)
