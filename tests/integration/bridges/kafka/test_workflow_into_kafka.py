"""A workflow publishes events, each under one id."""

import asyncio
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import pytest_asyncio
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from adapters.kafka.topics import TopicShape, ensure_topics
from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.invoice import TASK_QUEUE, Invoice, Reminder
from tests.integration.bridges.kafka.publisher import connect
from tests.integration.bridges.kafka.routes import TOPIC
from tests.support.waiting import soon
from twinsaga_bridges.workflow_into_kafka import KafkaPublishing, KafkaPublishingPlugin, OutgoingEvent

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest_asyncio.fixture
async def publishers(estate: Estate) -> AsyncIterator[Estate]:
    publishing = KafkaPublishing(lambda: connect(estate.broker.bootstrap))
    with ThreadPoolExecutor(2) as threads, closing(publishing):
        async with Worker(
            estate.client,
            task_queue=TASK_QUEUE,
            workflows=[Invoice, Reminder],
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


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
async def test_a_broker_that_is_away_gets_the_event_later_under_the_same_id(publishers: Estate) -> None:
    await publishers.client.execute_workflow(Invoice.run, {"number": 6}, id="connects", task_queue=TASK_QUEUE)
    publishers.broker.stop()  # with all that it held
    handle = await publishers.client.start_workflow(Invoice.run, {"number": 7}, id="p", task_queue=TASK_QUEUE)

    async def attempts() -> int:
        return max((found.attempt for found in (await handle.describe()).raw_description.pending_activities), default=0)

    await soon(attempts, lambda attempt: attempt > 1)
    await asyncio.to_thread(publishers.broker.start)
    await asyncio.to_thread(ensure_topics, publishers.broker.connection, TopicShape(partitions=4), 10)

    async with asyncio.timeout(30):
        ids = await handle.result()

    messages = await asyncio.to_thread(publishers.broker.topic(TOPIC).await_messages, 2)
    assert {dict(message.headers)["ce_id"] for message in messages} == {event_id.encode() for event_id in ids}


@pytest.mark.parametrize(
    ("data", "why"), [(float("nan"), "no JSON"), ("x" * 1_200_000, "more than the broker takes")], ids=["nan", "large"]
)
async def test_an_event_that_nobody_can_send_fails_at_once(publishers: Estate, data: object, why: str) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await publishers.client.execute_workflow(Invoice.run, data, id="p", task_queue=TASK_QUEUE)

    assert why in str(failed.value.cause.__cause__)


async def test_an_event_names_its_cause_and_its_trace(publishers: Estate) -> None:
    event = OutgoingEvent(
        topic=TOPIC, key="i-1", type="invoice.due", source="/invoices", data=[1], caused_by="e-0", traceparent=TRACE
    )

    event_id = await publishers.client.execute_workflow(Reminder.run, event, id="p", task_queue=TASK_QUEUE)

    (record,) = await asyncio.to_thread(publishers.broker.topic(TOPIC).await_messages, 1)
    read = from_binary_event(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value))
    assert (read.get_id(), read.get_type(), read.get_source()) == (event_id, "invoice.due", "/invoices")
    assert (read.get_extension("causationid"), read.get_extension("traceparent")) == ("e-0", TRACE)
    assert (read.get_extension("partitionkey"), record.key, record.value) == ("i-1", b"i-1", b"[1]")


async def test_a_workflow_that_an_event_started_names_it_as_the_cause(publishers: Estate) -> None:
    async with publishers.bridging():
        publishers.send(("e1", "invoice.requested", "7", 7), ce_traceparent=TRACE)
        records = await asyncio.to_thread(publishers.broker.topic(TOPIC).await_messages, 3)

    paid = [headers for record in records if (headers := dict(record.headers))["ce_type"] == b"invoice.paid"]
    assert [(headers["ce_causationid"], headers["ce_traceparent"]) for headers in paid] == [(b"e1", TRACE.encode())] * 2


async def test_a_worker_killed_before_temporal_knows_of_the_acknowledgement_sends_a_duplicate_at_most(
    estate: Estate,
) -> None:
    with estate.process("publisher", "dies") as killed:
        handle = await estate.client.start_workflow(Invoice.run, {"number": 7}, id="p", task_queue=TASK_QUEUE)
        assert await asyncio.to_thread(killed.wait, 60) == -signal.SIGKILL
    with estate.process("publisher", "lives"):
        async with asyncio.timeout(60):
            first, second = await handle.result()

    records = await asyncio.to_thread(estate.broker.topic(TOPIC).await_messages, 3)
    assert [dict(record.headers)["ce_id"].decode() for record in records] == [first, first, second]
