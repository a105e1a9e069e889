"""The outcome of an order reaches Kafka, and neither the order nor the worker waits for a Kafka that is away."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from domain.order import OrderStatus, Pix, Step
from messaging.kafka.topics import TopicShape, ensure_topics
from services.names import SAGA_OUTCOMES
from services.orders.store import Stage
from services.vocabulary import event_id_of
from tests.histories.orders import KEPT, ended
from tests.support.at_steps import AtSteps
from tests.support.broker import Broker
from tests.support.examples import BOOK
from tests.support.kafka_topics import Message, messages_of, reading
from tests.support.ports import free_port
from tests.support.saga_shop import Saga, SagaShop, eventually
from tests.support.service_processes import ServiceProcesses
from tests.support.temporal_servers import real_server
from twinsaga_bridges.workflow_into_kafka import EventProducer
from workflows.order_saga import PUBLISH_OUTCOME, OrderSaga

DURING_OUTAGE = 50
ATTEMPTS_IN_OUTAGE = 3
"""To publish one outcome. They take some seconds, with growing pauses."""

RETRIED_WITHIN_S = 90.0
"""Three of the longest pauses between two attempts."""


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    """The real server: the pauses between attempts are real, as Kafka's absence is."""
    async with await real_server(at_steps) as environment:
        yield environment


@pytest_asyncio.fixture
async def shop(closed_shop: SagaShop, broker: Broker) -> AsyncIterator[SagaShop]:
    """Its worker publishes to the broker."""
    make_topic(broker)
    closed_shop.services.inventory.restock(BOOK, "book", 1_000)
    with closing(EventProducer(broker.connection.producer)) as events:
        closed_shop.outcomes = events
        async with closed_shop.worker():
            yield closed_shop


def make_topic(broker: Broker) -> None:
    ensure_topics(broker.connection, TopicShape(partitions=4), 10, [SAGA_OUTCOMES])


async def placed(shop: SagaShop, name: str) -> Saga:
    order = KEPT[name]
    saga = await shop.place(*order.lines, payment=order.payment, postal_code=order.postal_code)
    await order.act(saga)
    await ended(saga)
    return saga


async def is_at(shop: SagaShop, saga: Saga, stage: Stage) -> bool:
    return (await asyncio.to_thread(shop.services.orders.find, saga.order_id)).stage is stage


async def messages_about(broker: Broker, saga: Saga) -> list[Message]:
    return await asyncio.to_thread(messages_of, broker.bootstrap, saga.order_id, SAGA_OUTCOMES)


@pytest.mark.parametrize(
    ("name", "event_type", "reason", "end"),
    [
        ("ok", "order.confirmed", {}, WorkflowExecutionStatus.COMPLETED),
        ("declined", "order.cancelled", {"reason": "payment_declined"}, WorkflowExecutionStatus.COMPLETED),
        ("cancelled", "order.cancelled", {"reason": "cancelled_by_customer"}, WorkflowExecutionStatus.COMPLETED),
        (
            "cancelled_by_temporal",
            "order.cancelled",
            {"reason": "cancelled_by_customer"},
            WorkflowExecutionStatus.CANCELED,
        ),
    ],
)
async def test_the_outcome_is_on_the_topic_when_the_saga_has_closed(
    shop: SagaShop, broker: Broker, name: str, event_type: str, reason: dict[str, str], end: WorkflowExecutionStatus
) -> None:
    saga = await placed(shop, name)

    (message,) = await messages_about(broker, saga)
    headers = dict(message.headers)
    assert (message.event_type, message.event_id) == (event_type, event_id_of(saga.order_id, event_type))
    assert headers["ce_causationid"].decode() == event_id_of(saga.order_id, "order.requested")
    assert headers["ce_source"] == b"/twinsaga/order-saga"
    assert json.loads(message.value or b"") == {"order_id": saga.order_id, "type": event_type} | reason
    assert (await saga.handle.describe()).status is end


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
async def test_while_kafka_is_away_orders_are_confirmed_and_their_outcomes_follow_when_it_is_back(
    shop: SagaShop, broker: Broker, at_steps: AtSteps
) -> None:
    await placed(shop, "ok")  # connects the producer
    broker.stop()
    before = at_steps.tries[PUBLISH_OUTCOME]
    sagas = [await shop.place() for _ in range(DURING_OUTAGE)]
    await asyncio.gather(*[await_confirmed(shop, saga) for saga in sagas])

    await asyncio.gather(*[await_no_workflow_task(saga) for saga in sagas])
    later = await shop.place()
    await await_confirmed(shop, later)

    await shop.await_tries(PUBLISH_OUTCOME, before + ATTEMPTS_IN_OUTAGE * DURING_OUTAGE)
    assert [saga for saga in (*sagas, later) if (await saga.handle.describe()).close_time is not None] == []
    await asyncio.to_thread(broker.start)  # empty: what it acknowledged before is gone
    await asyncio.to_thread(make_topic, broker)

    async with asyncio.timeout(RETRIED_WITHIN_S):
        outcomes = await asyncio.gather(*[saga.handle.result() for saga in (*sagas, later)])
    assert {outcome.status for outcome in outcomes} == {OrderStatus.CONFIRMED}
    confirmed = {event_id_of(saga.order_id, "order.confirmed") for saga in (*sagas, later)}
    assert await asyncio.to_thread(published_ids, broker) == confirmed


async def await_confirmed(shop: SagaShop, saga: Saga) -> None:
    async def is_confirmed() -> bool:
        return await is_at(shop, saga, Stage.CONFIRMED)

    await eventually(is_confirmed, f"order {saga.order_id} is confirmed")


async def await_no_workflow_task(saga: Saga) -> None:
    """Wait until the saga waits for a timer only, as it does most of the time."""

    async def waits() -> bool:
        return not (await saga.handle.describe()).raw_description.HasField("pending_workflow_task")

    await eventually(waits, "no workflow task of the saga is open")


def published_ids(broker: Broker) -> set[str]:
    with reading(broker.bootstrap, SAGA_OUTCOMES) as consumer:
        batches = [consumer.poll(timeout_ms=500) for _ in range(4)]
    records = [record for batch in batches for records in batch.values() for record in records]
    return {dict(record.headers)["ce_id"].decode() for record in records}


async def test_a_payment_that_comes_while_an_outcome_waits_for_kafka_is_booked_before_the_saga_closes(
    shop: SagaShop, at_steps: AtSteps
) -> None:
    async def away() -> None:
        raise ConnectionRefusedError

    at_steps.always(PUBLISH_OUTCOME, away)
    at_steps.always("settle_payment", away)
    saga = await shop.place(payment=Pix())
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    await saga.handle.execute_update(OrderSaga.cancel)

    async def is_cancelled() -> bool:
        return await is_at(shop, saga, Stage.CANCELLED)

    await eventually(is_cancelled, "the order is cancelled")
    await saga.handle.signal(OrderSaga.payment_settled)
    await shop.await_tries("settle_payment", 1)
    tries = at_steps.tries[PUBLISH_OUTCOME]
    at_steps.mended(PUBLISH_OUTCOME)
    await shop.await_tries(PUBLISH_OUTCOME, tries + 1)
    assert (await saga.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    at_steps.mended("settle_payment")

    assert (await saga.outcome()).status is OrderStatus.CANCELLED
    payment = await asyncio.to_thread(shop.services.payments.find, saga.order_id)
    assert payment is not None
    assert payment.captured == payment.refunded
    await shop.assert_books_right()


async def test_a_worker_whose_kafka_accepts_connections_and_is_silent_confirms_orders_and_stops(
    closed_shop: SagaShop, tmp_path: Path
) -> None:
    client = closed_shop.environment.client
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "data_dir": str(tmp_path),
            "temporal_address": client.service_client.config.target_host,
            "temporal_namespace": client.namespace,
            "temporal_task_queue": closed_shop.task_queue,
            "kafka_bootstrap": f"127.0.0.1:{silent.getsockname()[1]}",
            "redis_url": f"redis://127.0.0.1:{free_port()}",
            "accept_unsealed": "true",
        }
        with closing(ServiceProcesses(tmp_path, settings)) as processes:
            worker = processes.start("saga-worker")
            await asyncio.to_thread(worker.await_joined)
            saga = await closed_shop.place()
            await await_confirmed(closed_shop, saga)
            await await_no_workflow_task(saga)

            assert (await saga.handle.describe()).status is WorkflowExecutionStatus.RUNNING
            assert await asyncio.to_thread(worker.stop) == 0
