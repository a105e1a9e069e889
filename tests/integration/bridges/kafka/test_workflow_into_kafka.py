"""A workflow publishes events, each under one id: by an activity, by a local activity, or at its end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError
from temporalio.worker import Worker

from messaging.kafka.topics import TopicShape, ensure_topics
from runtime.kafka import ALL_TOPICS
from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.invoice import TASK_QUEUE, Invoice, LastReminder, LocalReminder, Reminder
from tests.integration.bridges.kafka.publisher import connect
from tests.integration.bridges.kafka.routes import TOPIC
from tests.support.waiting import soon
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, KafkaPublishingPlugin, OutgoingEvent

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DUE = OutgoingEvent(topic=TOPIC, key="i-1", type="invoice.due", source="/invoices", data=[1])
OVERSIZE = 3_000_000
"""Bytes. More than Temporal accepts as the argument of an activity, so a workflow makes it."""

TOO_LARGE = OutgoingEvent(topic=TOPIC, key="i-1", type="invoice.due", source="/invoices", data="x" * 1_200_000)


@pytest_asyncio.fixture
async def publishers(estate: Estate) -> AsyncIterator[Estate]:
    events = EventProducer(lambda: connect(estate.broker.bootstrap))
    with closing(KafkaPublishing(events)) as publishing:
        async with Worker(
            estate.client,
            task_queue=TASK_QUEUE,
            workflows=[Invoice, Reminder, LocalReminder, LastReminder],
            plugins=[KafkaPublishingPlugin(publishing)],
        ):
            yield estate


async def ids_on_topic(estate: Estate, records: int = 1) -> list[str]:
    found = await asyncio.to_thread(estate.broker.topic(TOPIC).await_messages, records)
    return [dict(record.headers)["ce_id"].decode() for record in found]


async def await_timer(handle: "WorkflowHandle[Any, Any]") -> None:
    """Wait until the retry is a timer, with no workflow task open meanwhile."""

    async def waits() -> bool:
        kinds = [event.event_type async for event in handle.fetch_history_events()]
        return kinds[-1] == EventType.EVENT_TYPE_TIMER_STARTED

    await soon(waits, bool)


async def bring_back(estate: Estate) -> None:
    await asyncio.to_thread(estate.broker.start)
    await asyncio.to_thread(ensure_topics, estate.broker.connection, TopicShape(partitions=4), 10, ALL_TOPICS)


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
    await bring_back(publishers)

    async with asyncio.timeout(60):
        ids = await handle.result()

    assert set(await ids_on_topic(publishers, 2)) == set(ids)


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
async def test_a_local_publish_waits_for_a_broker_that_is_away_by_timers(publishers: Estate) -> None:
    publishers.broker.stop()
    handle = await publishers.client.start_workflow(LocalReminder.run, DUE, id="p", task_queue=TASK_QUEUE)
    await await_timer(handle)
    await bring_back(publishers)

    async with asyncio.timeout(60):
        event_id = await handle.result()

    assert set(await ids_on_topic(publishers)) == {event_id}


async def test_a_workflow_that_returns_closes_once_its_event_is_acknowledged(publishers: Estate) -> None:
    await publishers.client.execute_workflow(LastReminder.run, DUE, id="p", task_queue=TASK_QUEUE)

    assert len(await ids_on_topic(publishers)) == 1


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
async def test_a_cancel_that_comes_while_the_last_event_waits_changes_nothing(publishers: Estate) -> None:
    publishers.broker.stop()
    handle = await publishers.client.start_workflow(LastReminder.run, DUE, id="p", task_queue=TASK_QUEUE)
    await await_timer(handle)
    await handle.cancel()
    await bring_back(publishers)

    async with asyncio.timeout(60):
        assert await handle.result() == "reminded"
    assert len(set(await ids_on_topic(publishers))) == 1


@pytest.mark.parametrize("event", [TOO_LARGE, replace(DUE, data=OVERSIZE)], ids=["large", "oversize"])
async def test_a_last_event_that_cannot_be_sent_does_not_fail_the_workflow(
    publishers: Estate, event: OutgoingEvent
) -> None:
    result = await publishers.client.execute_workflow(LastReminder.run, event, id="p", task_queue=TASK_QUEUE)

    assert result == "reminded"


async def test_a_local_event_that_is_too_large_for_temporal_fails_at_once(publishers: Estate) -> None:
    event = replace(DUE, data=OVERSIZE)
    with pytest.raises(WorkflowFailureError) as failed:
        await publishers.client.execute_workflow(LocalReminder.run, event, id="p", task_queue=TASK_QUEUE)

    assert isinstance(failed.value.cause, ActivityError)
    assert "more than the 2000000 that a workflow can publish" in str(failed.value.cause.__cause__)


async def test_a_worker_without_the_plugin_cannot_lose_a_last_event(estate: Estate) -> None:
    async with Worker(estate.client, task_queue=TASK_QUEUE, workflows=[LastReminder]):
        handle = await estate.client.start_workflow(LastReminder.run, DUE, id="p", task_queue=TASK_QUEUE)

        async def failures() -> int:
            kinds = [event.event_type async for event in handle.fetch_history_events()]
            return kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)

        await soon(failures, lambda count: count > 0)
        await handle.terminate()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (float("nan"), "not JSON"),
        ("x" * 1_200_000, "more than the broker accepts"),
        (OVERSIZE, "more than the 2000000 that a workflow can publish"),
    ],
    ids=["nan", "large", "oversize"],
)
async def test_an_event_that_cannot_be_sent_fails_at_once(publishers: Estate, data: object, why: str) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await publishers.client.execute_workflow(Invoice.run, data, id="p", task_queue=TASK_QUEUE)

    assert isinstance(failed.value.cause, ActivityError)
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
