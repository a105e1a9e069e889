"""The stand-in for Kafka refuses what a producer refuses before it sends."""

import pytest
from kafka.errors import KafkaError

from twinsaga_bridges.testing.kafka import RecordedEvents
from twinsaga_bridges.workflow_into_kafka import OutgoingEvent, Unsendable


def an_event(data: object) -> OutgoingEvent:
    return OutgoingEvent(topic="videos", key="v-1", type="video.published", source="/media", id="event-1", data=data)


def test_recorded_events_refuse_what_a_producer_refuses() -> None:
    events = RecordedEvents()
    with pytest.raises(Unsendable, match="not JSON"):
        events.send(an_event(object()))
    assert events.events == []


def test_recorded_events_fail_as_while_kafka_is_away() -> None:
    events = RecordedEvents(faults=1)
    with pytest.raises(KafkaError):
        events.send(an_event("v-1.webm"))
    events.send(an_event("v-1.webm"))
    assert events.events == [an_event("v-1.webm")]
