"""How a saga ends is told at once, or else by another workflow, which the saga starts and does not wait for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.outcome import ENDS_QUEUE
from adapters.kafka.topics import TopicShape, ensure_topics
from domain.ids import OrderId, event_id_of
from domain.order import OrderOutcome, OrderStatus, Reason
from processes.saga_worker.outcome_publisher import LEFT_ALONE_S, OrderEndsAtOnce
from processes.saga_worker.serve import ACTIVITIES_AT_ONCE, saga_worker
from tests.histories.ends import at_the_end, ends_plugin
from tests.histories.orders import KEPT, ended
from tests.support.at_steps import AtSteps
from tests.support.broker import Broker
from tests.support.kafka_topics import Message, messages_of
from tests.support.ports import free_port
from tests.support.saga_shop import Saga, SagaShop
from tests.support.service_processes import ServiceProcesses
from tests.support.temporal_servers import real_server
from twinsaga_bridges.workflow_into_kafka import KafkaPublishing, KafkaPublishingPlugin
from workflows.order_saga import OrderSaga
from workflows.outcome_event import SAGA_OUTCOMES
from workflows.publish_outcome import TellOrderEnd

CANCELLED, CONFIRMED = OrderStatus.CANCELLED, OrderStatus.CONFIRMED
PATIENT_S = 20.0
"""Where Kafka is there, the test waits for it longer than an order would: the machine may be busy."""


class Hours:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    """The real server: the saga has its worker start another workflow there."""
    async with await real_server(at_steps) as environment:
        yield environment


@pytest_asyncio.fixture
async def telling_shop(closed_shop: SagaShop) -> AsyncIterator[SagaShop]:
    """Nobody runs what tells, as when the bridge or the broker is away."""
    plugin = ends_plugin()
    client = closed_shop.environment.client
    with ThreadPoolExecutor(ACTIVITIES_AT_ONCE) as threads:
        async with saga_worker(client, closed_shop.task_queue, closed_shop.services, threads, [plugin]):
            yield closed_shop


async def placed(shop: SagaShop, name: str) -> Saga:
    order = KEPT[name]
    saga = await shop.place(*order.lines, payment=order.payment, postal_code=order.postal_code)
    await order.act(saga)
    await ended(saga)
    return saga


@pytest.mark.parametrize(
    ("name", "status", "reason", "end"),
    [
        ("ok", CONFIRMED, None, WorkflowExecutionStatus.COMPLETED),
        ("declined", CANCELLED, Reason.PAYMENT_DECLINED, WorkflowExecutionStatus.COMPLETED),
        ("cancelled", CANCELLED, Reason.CANCELLED_BY_CUSTOMER, WorkflowExecutionStatus.COMPLETED),
        ("cancelled_by_temporal", CANCELLED, Reason.CANCELLED_BY_CUSTOMER, WorkflowExecutionStatus.CANCELED),
    ],
)
async def test_a_saga_ends_although_nobody_tells_how(
    telling_shop: SagaShop, name: str, status: OrderStatus, reason: Reason | None, end: WorkflowExecutionStatus
) -> None:
    saga = await placed(telling_shop, name)

    assert (await saga.handle.describe()).status is end
    client = telling_shop.environment.client
    telling = client.get_workflow_handle(f"order-end/{saga.order_id}/{status}")
    assert (await telling.describe()).status is WorkflowExecutionStatus.RUNNING
    begun = (await telling.fetch_history()).events[0].workflow_execution_started_event_attributes
    (outcome,) = await client.data_converter.decode(begun.input.payloads, [OrderOutcome])
    assert outcome == OrderOutcome(order_id=saga.order_id, status=status, reason=reason)


@pytest.mark.parametrize("name", ["ok", "cancelled_by_temporal"])
async def test_a_saga_whose_end_is_told_follows_its_history(telling_shop: SagaShop, name: str) -> None:
    saga = await placed(telling_shop, name)

    replayer = Replayer(workflows=[OrderSaga], data_converter=pydantic_data_converter, interceptors=at_the_end())
    await replayer.replay_workflow(await saga.handle.fetch_history())


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def at_once(broker: Broker, hours: Hours) -> Iterator[OrderEndsAtOnce]:
    make_topic(broker)
    with closing(OrderEndsAtOnce(broker.connection.producer, PATIENT_S, hours)) as at_once:
        yield at_once


def make_topic(broker: Broker) -> None:
    ensure_topics(broker.connection, TopicShape(partitions=4), 10, [SAGA_OUTCOMES])


async def messages_about(broker: Broker, order_id: OrderId) -> list[Message]:
    return await asyncio.to_thread(messages_of, broker.bootstrap, order_id, SAGA_OUTCOMES)


async def has_workflow(shop: SagaShop, saga: Saga, status: OrderStatus) -> bool:
    try:
        await shop.environment.client.get_workflow_handle(f"order-end/{saga.order_id}/{status}").describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


@asynccontextmanager
async def telling_later(shop: SagaShop, broker: Broker) -> AsyncIterator[None]:
    """What the bridge runs."""
    with closing(KafkaPublishing(broker.connection.producer)) as publishing, ThreadPoolExecutor(4) as threads:
        async with Worker(
            shop.environment.client,
            task_queue=ENDS_QUEUE,
            workflows=[TellOrderEnd],
            plugins=[KafkaPublishingPlugin(publishing)],
            activity_executor=threads,
        ):
            yield


@pytest.mark.parametrize(
    ("name", "status", "event_type"),
    [
        ("ok", CONFIRMED, "order.confirmed"),
        ("declined", CANCELLED, "order.cancelled"),
        ("cancelled_by_temporal", CANCELLED, "order.cancelled"),
    ],
)
async def test_while_kafka_answers_an_end_is_told_once_and_without_a_workflow(
    closed_shop: SagaShop, broker: Broker, at_once: OrderEndsAtOnce, name: str, status: OrderStatus, event_type: str
) -> None:
    async with closed_shop.worker(plugins=[ends_plugin(at_once)]):
        saga = await placed(closed_shop, name)

    (message,) = await messages_about(broker, saga.order_id)
    assert (message.event_type, message.event_id) == (event_type, event_id_of(saga.order_id, event_type))
    assert not await has_workflow(closed_shop, saga, status)


async def test_a_workflow_tells_the_same_as_is_told_at_once(
    closed_shop: SagaShop, broker: Broker, at_once: OrderEndsAtOnce
) -> None:
    outcome = OrderOutcome(order_id=OrderId("o-1"), status=CANCELLED, reason=Reason.PAYMENT_DECLINED)
    async with telling_later(closed_shop, broker):
        client = closed_shop.environment.client
        assert await at_once.tell(outcome)
        await client.execute_workflow(TellOrderEnd.run, outcome, id="o-1", task_queue=ENDS_QUEUE)

    one, other = await messages_about(broker, outcome.order_id)
    assert one.value == other.value
    assert {name for name, value in one.headers if dict(other.headers)[name] != value} == {"ce_time"}
    assert dict(one.headers).keys() == dict(other.headers).keys()


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
async def test_an_end_that_kafka_misses_is_told_by_a_workflow_and_later_ones_at_once_again(
    closed_shop: SagaShop, broker: Broker, at_once: OrderEndsAtOnce, hours: Hours
) -> None:
    shop = closed_shop
    async with shop.worker(plugins=[ends_plugin(at_once)]), telling_later(shop, broker):
        assert not await has_workflow(shop, await placed(shop, "ok"), CONFIRMED)
        broker.stop()
        missed = [await placed(shop, "ok"), await placed(shop, "declined")]
        assert [await has_workflow(shop, missed[0], CONFIRMED), await has_workflow(shop, missed[1], CANCELLED)] == [
            True,
            True,
        ]

        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(make_topic, broker)
        for saga, status in zip(missed, (CONFIRMED, CANCELLED), strict=True):
            told = shop.environment.client.get_workflow_handle(f"order-end/{saga.order_id}/{status}")
            async with asyncio.timeout(60):
                event_id = await told.result()
            assert {message.event_id for message in await messages_about(broker, saga.order_id)} == {event_id}

        hours.now += LEFT_ALONE_S
        later = await placed(shop, "ok")
    assert not await has_workflow(shop, later, CONFIRMED)
    assert len(await messages_about(broker, later.order_id)) == 1


async def test_a_worker_whose_kafka_takes_connections_and_says_nothing_works_and_leaves(
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
        }
        with closing(ServiceProcesses(tmp_path, settings)) as processes:
            worker = processes.start("saga-worker")
            await asyncio.to_thread(worker.await_joined)
            saga = await placed(closed_shop, "ok")
            assert await has_workflow(closed_shop, saga, CONFIRMED)

            assert await asyncio.to_thread(worker.stop) == 0
