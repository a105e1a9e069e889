"""A workflow publishes events that every retry repeats under the same id."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from bridges.workflow_into_kafka import KafkaPublishing, KafkaPublishingPlugin
from tests.integration.bridges.kafka.conftest import Estate, soon
from tests.integration.bridges.kafka.invoice import Invoice
from tests.integration.bridges.kafka.routes import TOPIC


@pytest_asyncio.fixture
async def invoices(estate: Estate) -> AsyncIterator[str]:
    """The task queue of a worker that publishes."""
    publishing = KafkaPublishing(estate.broker.connection.producer)
    queue = f"invoices-{uuid4().hex[:6]}"
    with ThreadPoolExecutor(4) as threads:
        async with Worker(
            estate.client,
            task_queue=queue,
            workflows=[Invoice],
            activity_executor=threads,
            plugins=[KafkaPublishingPlugin(publishing)],
        ):
            yield queue
    publishing.close()


async def pay(client: Client, queue: str, data: object) -> WorkflowHandle[Invoice, list[str]]:
    return await client.start_workflow(Invoice.run, data, id=f"invoice-{uuid4()}", task_queue=queue)


async def test_an_event_arrives_as_a_cloud_event_with_the_id_that_the_workflow_got(
    estate: Estate, invoices: str
) -> None:
    ids = await (await pay(estate.client, invoices, {"amount": 7})).result()

    records = await asyncio.to_thread(estate.broker.topic(TOPIC).await_messages, 2)

    assert {dict(record.headers)["ce_id"].decode() for record in records} == set(ids)
    assert len(set(ids)) == 2  # one activity each
    assert {dict(record.headers)["ce_type"] for record in records} == {b"invoice.paid"}
    assert [json.loads(record.value) for record in records] == [{"amount": 7}] * 2


async def test_a_broker_that_is_away_is_tried_again_under_the_same_id(estate: Estate, invoices: str) -> None:
    await asyncio.to_thread(estate.broker.stop)
    handle = await pay(estate.client, invoices, {"amount": 7})

    async def attempts() -> int:
        described = await handle.describe()
        return max((pending.attempt for pending in described.raw_description.pending_activities), default=0)

    await soon(attempts, lambda attempt: attempt > 1)
    await asyncio.to_thread(estate.broker.start)

    ids = await handle.result()
    records = await asyncio.to_thread(estate.broker.topic(TOPIC).await_messages, 2)
    assert {dict(record.headers)["ce_id"].decode() for record in records} == set(ids)


async def test_what_is_no_json_is_a_final_failure(estate: Estate, invoices: str) -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await (await pay(estate.client, invoices, float("nan"))).result()

    assert isinstance(failure.value.cause, ActivityError)
    assert isinstance(failure.value.cause.cause, ApplicationError)
    assert failure.value.cause.cause.type == "NotJson"
