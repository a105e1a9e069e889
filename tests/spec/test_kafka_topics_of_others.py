"""The topics that other systems write to and read from. The tests use plain Kafka clients on their side."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx2 as httpx
import pytest
from kafka import TopicPartition
from temporalio.client import Client, WorkflowExecutionStatus

from comparison.scenarios import SCENARIOS
from domain.ids import order_id_from_key
from tests.support.estate import Estate
from tests.support.kafka_topics import await_read, messages_of, put
from tests.support.operators import cancel, outcomes_of, pay, pending_pix, settle
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

OUTCOMES, REQUESTS, SETTLEMENTS = "saga-outcomes", "order-requests", "payment-settlements"


def request(stack: Stack, key: str, body: Json) -> dict[TopicPartition, int]:
    return put(stack.ready["kafka"], REQUESTS, json.dumps(body).encode(), key.encode())


@contextmanager
def broker_frozen(stack: Stack) -> Iterator[None]:
    """It takes connections and answers nothing, and keeps what it has."""
    broker = stack.ready["processes"]["kafka"]
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)


@pytest.fixture
def celery(stack: Stack) -> Iterator[Estate]:
    with stack.client() as client:
        estate = Estate(stack, client)
        yield estate
        estate.celery.close()


async def status_of(stack: Stack, workflow_id: str) -> WorkflowExecutionStatus | None:
    client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    async with asyncio.timeout(20):
        return (await client.get_workflow_handle(workflow_id).describe()).status


def saga_status(stack: Stack, order_id: str) -> WorkflowExecutionStatus | None:
    return asyncio.run(status_of(stack, f"order-saga/{order_id}"))


def await_saga_completed(stack: Stack, order_id: str) -> None:
    """The saga closes once its outcome is published, a moment after the end of its order."""
    eventually(lambda: saga_status(stack, order_id) is WorkflowExecutionStatus.COMPLETED, "the saga closes", 60.0)


@pytest.mark.parametrize(
    ("scenario", "event_type", "reason"),
    [("ok", "order.confirmed", {}), ("declined", "order.cancelled", {"reason": "payment_declined"})],
)
def test_the_outcome_of_an_orchestrated_order_is_published(
    shop: Shop, stack: Stack, scenario: str, event_type: str, reason: Json
) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS[scenario]), "orchestrated")
    shop.await_end(order_id)

    outcome = outcomes_of(stack, order_id)[0]

    events = shop.timeline(order_id)
    headers = {name: value.decode() for name, value in outcome.headers}
    assert (outcome.event_type, outcome.event_id) == (event_type, events[-1]["event_id"])
    assert headers["ce_causationid"] == events[0]["event_id"]
    assert (headers["ce_specversion"], headers["ce_partitionkey"]) == ("1.0", order_id)
    assert json.loads(outcome.value or b"") == {"order_id": order_id, "type": event_type} | reason


def test_an_order_that_its_customer_cancelled_is_published_as_cancelled(shop: Shop, stack: Stack) -> None:
    order_id = pending_pix(shop, "orchestrated")
    cancel(shop, order_id)

    outcome = outcomes_of(stack, order_id)[0]

    assert json.loads(outcome.value or b"")["reason"] == "cancelled_by_customer"


@pytest.mark.embedded("freezes the embedded broker; tests/real/test_servers_away.py kills the real one")
def test_while_the_broker_is_away_an_order_is_confirmed_and_its_celery_caller_answered(
    shop: Shop, stack: Stack, celery: Estate
) -> None:
    order = shop.prepared(SCENARIOS["ok"])
    with broker_frozen(stack):
        outcome = celery.call("twinsaga.place_order", order).get(timeout=30)
        order_id = outcome["order_id"]

        assert outcome == {"order_id": order_id, "status": "confirmed", "reason": None}
        assert shop.order(order_id)["status"] == "confirmed"
        assert saga_status(stack, order_id) is WorkflowExecutionStatus.RUNNING

    assert outcomes_of(stack, order_id)[0].event_type == "order.confirmed"
    await_saga_completed(stack, order_id)


def test_a_request_of_a_legacy_producer_is_one_order_however_often_it_comes(shop: Shop, stack: Stack) -> None:
    body, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex
    order_id = order_id_from_key(REQUESTS, key)

    request(stack, key, body)
    await_read(stack.ready["kafka"], "kafka-bridge", request(stack, key, body))
    end = shop.await_end(order_id)
    await_read(stack.ready["kafka"], "kafka-bridge", request(stack, key, body))

    assert (end["style"], end["status"]) == ("orchestrated", "confirmed")
    assert end["payment"]["captured"] == end["total"]["amount"]
    assert shop.order(order_id) == end | {"inventory": {"status": "sold"}}
    outcomes_of(stack, order_id)


def test_a_request_that_is_no_order_is_a_dead_letter_and_the_next_is_taken(shop: Shop, stack: Stack) -> None:
    body, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex

    request(stack, key, body | {"lines": []})
    await_read(stack.ready["kafka"], "kafka-bridge", request(stack, key, body))

    (letter,) = messages_of(stack.ready["kafka"], key, f"{REQUESTS}.dlq")
    story = dict(letter.headers)
    assert json.loads(letter.value or b"") == body | {"lines": []}
    assert (story["dead_letter_topic"], story["dead_letter_group"]) == (REQUESTS.encode(), b"kafka-bridge")
    assert b"lines" in story["dead_letter_message"]
    assert shop.await_end(order_id_from_key(REQUESTS, key))["status"] == "confirmed"


def test_a_key_that_was_used_for_another_order_is_a_dead_letter(shop: Shop, stack: Stack) -> None:
    body, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex
    request(stack, key, body)

    await_read(stack.ready["kafka"], "kafka-bridge", request(stack, key, body | {"customer_id": "somebody-else"}))

    (letter,) = messages_of(stack.ready["kafka"], key, f"{REQUESTS}.dlq")
    assert b"used before" in dict(letter.headers)["dead_letter_message"]
    shop.await_end(order_id_from_key(REQUESTS, key))


def test_a_settlement_from_the_gateway_confirms_the_order(shop: Shop, stack: Stack, style: str) -> None:
    order_id = pending_pix(shop, style)

    settle(stack, order_id)
    settle(stack, order_id)

    end = shop.await_end(order_id)
    assert end["status"] == "confirmed"
    assert end["payment"] == {"status": "captured", "captured": end["total"]["amount"], "refunded": 0}


def test_money_that_is_paid_before_the_order_is_known_confirms_it(shop: Shop, stack: Stack, style: str) -> None:
    key = uuid4().hex
    order_id = order_id_from_key("orders", key)
    pay(shop, order_id)
    pay(shop, order_id)
    settle(stack, order_id)  # returns when both groups have read it, and what came before

    assert shop.place(shop.prepared(SCENARIOS["ok"]) | {"payment": {"method": "pix"}}, style, key) == order_id

    end = shop.await_end(order_id)
    assert end["status"] == "confirmed"
    assert end["payment"] == {"status": "captured", "captured": end["total"]["amount"], "refunded": 0}
    assert len(messages_of(stack.ready["kafka"], order_id, SETTLEMENTS)) == 2


def test_a_settlement_of_an_unknown_or_finished_order_is_harmless(shop: Shop, stack: Stack, style: str) -> None:
    order_id, unknown = shop.place(shop.prepared(SCENARIOS["ok"]), style), str(uuid4())
    shop.await_end(order_id)
    eventually(lambda: shop.order(order_id)["inventory"]["status"] == "sold", "its pieces count as sold")
    before, timeline = shop.order(order_id), shop.timeline(order_id)

    for settled in (order_id, unknown, "no order at all"):
        settle(stack, settled)

    assert (shop.order(order_id), shop.timeline(order_id)) == (before, timeline)
    assert shop.client.get(f"/orders/{unknown}").status_code == httpx.codes.NOT_FOUND


def test_what_is_no_settlement_is_one_dead_letter(shop: Shop, stack: Stack) -> None:
    order_id, kafka = pending_pix(shop, "orchestrated"), stack.ready["kafka"]

    put(kafka, SETTLEMENTS, b"no JSON", order_id.encode(), {"ce_type": "payment.settled"})
    settle(stack, order_id)

    assert shop.await_end(order_id)["status"] == "confirmed"
    (letter,) = eventually(lambda: messages_of(kafka, order_id, f"{SETTLEMENTS}.dlq") or None, "it is buried")
    assert (letter.value, dict(letter.headers)["dead_letter_group"]) == (b"no JSON", b"payment-service")


@pytest.mark.embedded("freezes the embedded broker; tests/real/test_servers_away.py kills the real one")
def test_while_the_broker_is_away_the_gateway_is_asked_to_call_again(shop: Shop, stack: Stack, style: str) -> None:
    order_id = pending_pix(shop, style)

    with broker_frozen(stack):
        refused = shop.client.post("/webhooks/payments", json={"order_id": order_id, "status": "settled"})

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["Retry-After"]
    pay(shop, order_id)
    assert shop.await_end(order_id)["status"] == "confirmed"
