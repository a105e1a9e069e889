"""A workflow publishes events, each under one id."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import pytest_asyncio
from kafka import KafkaProducer
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from adapters.kafka.topics import ensure_topics
from bridges.workflow_into_kafka import KafkaPublishing, KafkaPublishingPlugin
from tests.integration.bridges.kafka.conftest import Estate, soon
from tests.integration.bridges.kafka.invoice import Invoice
from tests.integration.bridges.kafka.routes import TOPIC

TASK_QUEUE = "publishers"


@pytest_asyncio.fixture
async def publishers(estate: Estate) -> AsyncIterator[Estate]:
    def connect() -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=estate.broker.bootstrap,
            bootstrap_timeout_ms=10_000,
            acks="all",
            max_block_ms=1_000,
            request_timeout_ms=1_000,
            delivery_timeout_ms=2_000,
        )

    with ThreadPoolExecutor(2) as threads, closing(KafkaPublishing(connect)) as publishing:
        async with Worker(
            estate.client,
            task_queue=TASK_QUEUE,
            workflows=[Invoice],
            activity_executor=threads,
            plugins=[KafkaPublishingPlugin(publishing)],
        ):
            yield estate


async def test_a_workflow_publishes_a_cloud_event_under_an_id_derived_from_it(publishers: Estate) -> None:
    ids = await publishers.client.execute_workflow(Invoice.run, {"number": 7}, id="p", task_queue=TASK_QUEUE)

    messages = await asyncio.to_thread(publishers.broker.topic(TOPIC).await_messages, 2)
    headers = [dict(message.headers) for message in messages]
    assert {(message.key, message.value) for message in messages} == {(b"i-1", b'{"number":7}')}
    assert {(header["ce_type"], header["ce_specversion"]) for header in headers} == {(b"invoice.paid", b"1.0")}
    assert [header["ce_id"].decode() for header in headers] == ids
    assert ids[0] != ids[1]


async def test_a_broker_that_is_away_gets_the_event_later_under_the_same_id(publishers: Estate) -> None:
    await publishers.client.execute_workflow(Invoice.run, {"number": 6}, id="connects", task_queue=TASK_QUEUE)
    publishers.broker.stop()  # with all that it held
    handle = await publishers.client.start_workflow(Invoice.run, {"number": 7}, id="p", task_queue=TASK_QUEUE)

    async def attempts() -> int:
        return max((found.attempt for found in (await handle.describe()).raw_description.pending_activities), default=0)

    await soon(attempts, lambda attempt: attempt > 1)
    await asyncio.to_thread(publishers.broker.start)
    await asyncio.to_thread(ensure_topics, publishers.broker.bootstrap, 4, 10)

    async with asyncio.timeout(30):
        ids = await handle.result()

    messages = await asyncio.to_thread(publishers.broker.topic(TOPIC).await_messages, 2)
    assert {dict(message.headers)["ce_id"] for message in messages} == {event_id.encode() for event_id in ids}


async def test_an_event_that_is_no_json_fails_at_once(publishers: Estate) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await publishers.client.execute_workflow(Invoice.run, float("nan"), id="p", task_queue=TASK_QUEUE)

    assert "no JSON" in str(failed.value.cause.__cause__)
