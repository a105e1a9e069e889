"""A record that Apache Kafka refuses for its size costs no other record. The embedded broker accepts any size."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient

from messaging.dead_letters import LetterFilter
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letter_box import DeadLetterBox
from messaging.kafka.dead_letters import DeadLetters
from messaging.kafka.message import IncomingMessage
from messaging.kafka.topics import TopicShape, ensure_topics
from tests.support.real_servers import given_servers
from twinsaga_bridges.workflow_into_kafka import EventProducer, OutgoingEvent, Unsendable

LIMIT = 1_048_588
"""Apache Kafka's default, for a batch."""


@pytest.fixture
def connection() -> KafkaConnection:
    servers = given_servers()
    assert servers is not None
    return KafkaConnection(bootstrap=servers.kafka)


@pytest.fixture
def topic(connection: KafkaConnection) -> Iterator[str]:
    name = f"large-{uuid4().hex[:8]}"
    names = [name, f"{name}.dlq"]
    ensure_topics(connection, TopicShape(partitions=1), 15, names)
    yield name
    with closing(KafkaAdminClient(bootstrap_servers=connection.bootstrap)) as admin:
        admin.delete_topics(names)


def message(topic: str, offset: int, **parts: object) -> IncomingMessage:
    plain = {"key": b"k", "value": b"v", "headers": (("h", b"h"),)}
    return IncomingMessage(topic=topic, partition=0, offset=offset, timestamp_ms=0, **(plain | parts))  # type: ignore[arg-type]


def test_a_dead_letter_that_is_too_large_is_stored_with_less_and_the_next_one_whole(
    connection: KafkaConnection, topic: str
) -> None:
    just_fitted = LIMIT - 100
    with closing(DeadLetters(connection, "a-group")) as dead_letters:
        for large in (
            message(topic, 0, value=b"x" * just_fitted),
            message(topic, 1, key=b"x" * just_fitted),
            message(topic, 2, headers=(("h", b"x" * just_fitted),)),
            message(topic, 3, key=None, value=None),
            message(topic, 4),
        ):
            dead_letters.bury(large, ValueError("no"), 1)

    box = DeadLetterBox(connection, [topic])
    letters = box.page(LetterFilter(), 10).letters
    assert [(each.story["offset"], each.whole) for each in letters] == [
        ("0", False),
        ("1", False),
        ("2", False),
        ("3", True),
        ("4", True),
    ]
    assert [len(each.headers) for each in letters] == [1, 0, 0, 1, 1]
    assert letters[0].story["omitted_bytes"] == str(just_fitted)
    redriven = box.redrive(LetterFilter())
    assert (redriven.sent, redriven.left) == (2, 3)


def test_an_event_that_is_too_large_leaves_its_producer_usable(connection: KafkaConnection, topic: str) -> None:
    def event(data: str) -> OutgoingEvent:
        return OutgoingEvent(topic=topic, key="k", type="t", source="/s", data=data, id=uuid4().hex)

    with closing(EventProducer(connection.producer)) as events:
        with pytest.raises(Unsendable, match="more than the broker accepts"):
            events.send(event("x" * LIMIT))

        events.send(event("small"))
