"""Topics: one for the events of each service, keyed by correlation key, and one for the dead letters of each topic."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError

from messaging.kafka.connection import KafkaConnection

_DEAD_LETTERS = ".dlq"


def dead_letters_of(topic: str) -> str:
    return f"{topic}{_DEAD_LETTERS}"


def is_dead_letters(topic: str) -> bool:
    return topic.endswith(_DEAD_LETTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicShape:
    """All topics have the same number of partitions, so that one consumer gets all messages of a key.

    Dead letter topics have one partition: their messages are few and independent, and each partition makes every
    fetch slower.
    """

    partitions: int
    replicas: int = 1


def ensure_topics(connection: KafkaConnection, shape: TopicShape, deadline_s: float, topics: Iterable[str]) -> None:
    """Create the missing topics; existing ones keep their shape. Raises KafkaError: no answer in time, or refused."""
    admin = connection.admin(deadline_s)
    try:
        for topic in topics:
            partitions = 1 if is_dead_letters(topic) else shape.partitions
            wanted = NewTopic(topic, num_partitions=partitions, replication_factor=shape.replicas)
            with suppress(TopicAlreadyExistsError):
                admin.create_topics([wanted], timeout_ms=int(deadline_s * 1000))
    finally:
        admin.close()


def await_settled(
    connection: KafkaConnection, deadline_s: float, topics: Sequence[str], *, quiet_s: float = 1.0
) -> None:
    """Return once none was created for `quiet_s`. Raises KafkaError: not within `deadline_s`, or no answer.

    Tansu creates a topic at any client's metadata request. After a restart several clients do so at once: a topic is
    created more than once, and the last one replaces the others together with their acknowledged records. So publish
    only after this.
    """
    admin = connection.admin(deadline_s)
    try:
        end = time.monotonic() + deadline_s
        seen, since = None, time.monotonic()
        while time.monotonic() - since < quiet_s:
            if time.monotonic() > end:
                raise KafkaTimeoutError(f"topics were still being created after {deadline_s} s")
            found = {topic["name"]: topic["topic_id"] for topic in admin.describe_topics(list(topics))}
            if found != seen:
                seen, since = found, time.monotonic()
            time.sleep(quiet_s / 10)
    finally:
        admin.close()
