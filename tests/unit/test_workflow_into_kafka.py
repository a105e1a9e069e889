"""The publishing activity, with an event producer that blocks or fails as Kafka does while it is away."""

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from twinsaga_bridges.kafka.publish_activity import LOCAL_ATTEMPT_S, OPEN_S
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, OutgoingEvent

EVENT = OutgoingEvent(topic="t", key="k", type="order.confirmed", source="/s", data={}, id="e-1")

current_span: ContextVar[str] = ContextVar("what a tracer keeps", default="")

OFFLINE = {
    "bootstrap_servers": "127.0.0.1:1",
    "api_version": (2, 8),
    "max_block_ms": 1,
    "request_timeout_ms": 1_000,
    "delivery_timeout_ms": 2_000,
}


class Away(EventProducer):
    """Fails once `answers` is set, and then works once `is_back` is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.now = 100.0
        self.is_back = False
        self.answers = threading.Event()
        self.spans: list[str] = []

    def send(self, event: OutgoingEvent) -> None:  # noqa: ARG002 - the base class's
        self.calls += 1
        self.spans.append(current_span.get())
        self.answers.wait(10)
        if not self.is_back:
            raise KafkaConnectionError

    def close(self) -> None:
        """Nothing is open."""

    def clock(self) -> float:
        return self.now


@pytest.fixture
def away() -> Away:
    return Away()


@pytest.fixture
def environment() -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, is_local=True)
    return environment


@contextmanager
def publishing(away: Away, threads: int = 4, local_attempt_s: float = LOCAL_ATTEMPT_S) -> Iterator[KafkaPublishing]:
    publishing = KafkaPublishing(away, threads=threads, local_attempt_s=local_attempt_s, clock=away.clock)
    try:
        yield publishing
    finally:
        away.answers.set()
        publishing.close()


async def test_after_a_failure_attempts_fail_at_once_until_a_probe(
    away: Away, environment: ActivityEnvironment
) -> None:
    away.answers.set()
    with publishing(away) as kafka:
        with pytest.raises(KafkaConnectionError):
            await environment.run(kafka.publish, EVENT)
        with pytest.raises(ApplicationError, match="a moment ago") as refused:
            await environment.run(kafka.publish, EVENT)
        away.now += OPEN_S
        away.is_back = True
        event_ids = [await environment.run(kafka.publish, EVENT) for _ in range(2)]

    assert not refused.value.non_retryable
    assert (away.calls, event_ids) == (3, ["e-1", "e-1"])


async def test_a_tracer_finds_the_span_of_the_activity_where_the_event_is_sent(
    away: Away, environment: ActivityEnvironment
) -> None:
    away.answers.set()
    away.is_back = True

    async def traced() -> None:
        current_span.set("of the activity")
        await kafka.publish(EVENT)

    with publishing(away) as kafka:
        await environment.run(traced)

    assert away.spans == ["of the activity"]


async def test_a_silent_broker_ends_a_local_attempt_at_its_deadline(
    away: Away, environment: ActivityEnvironment
) -> None:
    with publishing(away, local_attempt_s=0.01) as kafka:
        with pytest.raises(TimeoutError, match="no acknowledgement"):
            await environment.run(kafka.publish, EVENT)
        with pytest.raises(ApplicationError, match="a moment ago"):
            await environment.run(kafka.publish, EVENT)

    assert away.calls == 1


async def test_attempts_that_time_out_before_they_have_a_thread_are_dropped(
    away: Away, environment: ActivityEnvironment
) -> None:
    with publishing(away, threads=2, local_attempt_s=0.2) as kafka:
        ended = await asyncio.gather(*[environment.run(kafka.publish, EVENT) for _ in range(8)], return_exceptions=True)

    assert {type(end) for end in ended} == {TimeoutError}
    assert away.calls == 2


@pytest.mark.parametrize(
    "unsendable",
    [{"key": "\ud800"}, {"type": "\ud800"}, {"type": ""}, {"data": float("nan")}, {"topic": "no topic"}],
    ids=["key", "type", "empty type", "data", "topic"],
)
async def test_an_event_that_no_retry_can_send_does_not_open_the_breaker(
    environment: ActivityEnvironment, unsendable: dict[str, Any]
) -> None:
    events = EventProducer(lambda: KafkaProducer(**OFFLINE))
    kafka = KafkaPublishing(events)
    for _ in range(2):
        with pytest.raises(ApplicationError) as refused:
            await environment.run(kafka.publish, dataclasses.replace(EVENT, **unsendable))
        assert (refused.value.type, refused.value.non_retryable) == ("Unsendable", True)
    kafka.close()
