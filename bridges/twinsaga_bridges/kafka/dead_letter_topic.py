"""Stores dead letters in a topic beside that of the record, `<topic>.dlq`. Imports no Temporal.

A dead letter is the record, unchanged. Headers with the prefix `dead_letter_` add where it was and why it was given up.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from twinsaga_bridges.kafka.closing import close_producer
from twinsaga_bridges.kafka.connection import checked_producer
from twinsaga_bridges.kafka.records import KafkaRecord
from twinsaga_bridges.kafka.undecodable import UndecodableBatch

PREFIX = "dead_letter_"
SUFFIX = ".dlq"
ACK_DEADLINE_S = 10.0
"""Must exceed the producer's own delivery timeout: a record must have failed before it is sent again."""

REFUSED = (InvalidRecordError, MessageSizeTooLargeError, RecordListTooLargeError)
"""The broker takes other records, but not this one."""

_LONGEST_ERROR = 2_000
"""Characters."""

Story = list[tuple[str, bytes]]
"""Headers that say where a record was and why it is a dead letter."""


class _Letter(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class DeadLetterTopic:
    """A `bury` for `KafkaIntoWorkflow`. Thread-safe; connects when it stores its first letter.

    Args:
        producer: makes an idempotent producer, such as `KafkaConnection(...).producer`.
        suffix: of the topics with dead letters. They must exist, unless the broker creates topics by itself.
        group: stored with each letter, to tell who gave the record up.
    """

    def __init__(self, producer: Callable[[], KafkaProducer], *, suffix: str = SUFFIX, group: str = "") -> None:
        self._connect = producer
        self._suffix = suffix
        self._group = group
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()

    def __call__(self, record: KafkaRecord, why: Exception) -> None:
        """Store the record; return once all in-sync replicas have it. Raises KafkaError as `store` does."""
        self.store(record, why, attempts=1)

    def store(self, record: KafkaRecord, why: Exception, *, attempts: int) -> None:
        """Store the record, without its value if that is too large for the topic.

        Raises KafkaError: it may be stored or not; storing it again makes a second dead letter at most.
        """
        topic = f"{record.topic}{self._suffix}"
        letters = _letters(record, self.story(record, why, attempts))
        with self._lock:
            for smaller, letter in enumerate(letters, start=1):
                try:
                    self._send(topic, letter)
                except KafkaError as fault:
                    # kafka-python: after the broker has refused a record, its producer cannot send the next one.
                    self._close()
                    if not isinstance(fault, REFUSED) or smaller == len(letters):
                        raise
                else:
                    return

    def close(self) -> None:
        """Close the producer; the next dead letter opens another one."""
        with self._lock:
            self._close()

    def story(self, record: KafkaRecord, why: Exception, attempts: int) -> Story:
        story = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "group": self._group,
            "error": type(why).__name__,
            "message": str(why)[:_LONGEST_ERROR],
            "attempts": attempts,
        }
        if isinstance(record.undecodable, UndecodableBatch):
            story["first_offset"] = record.undecodable.first
        # An error may quote its input, and text from JSON may contain surrogates, which UTF-8 cannot encode.
        return [(f"{PREFIX}{name}", str(value).encode(errors="backslashreplace")) for name, value in story.items()]

    def _send(self, topic: str, letter: _Letter) -> None:
        if self._producer is None:
            self._producer = checked_producer(self._connect, ACK_DEADLINE_S)
        sent = self._producer.send(topic, value=letter.value, key=letter.key, headers=letter.headers)
        sent.get(timeout=ACK_DEADLINE_S)

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer)


def _letters(record: KafkaRecord, story: Story) -> Sequence[_Letter]:
    """The letter, and smaller ones for a broker that finds it too large: without its value, with nothing but story.

    The story makes a record larger that just fitted before, and a topic may take larger records than its `.dlq`.
    """
    value, key = record.value, record.key
    if key is None and value is None:
        key = b""  # kafka-python sends no record without both
    if isinstance(record.undecodable, UndecodableBatch):
        return [_Letter(key, None, [*story, _omitted(record.undecodable.size)])]
    headers = [(name, content or b"") for name, content in record.headers]  # Kafka allows headers without a value
    omitted = _omitted(len(value or b""))
    return [
        _Letter(key, value, [*headers, *story]),
        _Letter(key or b"", None, [*headers, *story, omitted]),
        _Letter(b"", None, [*story, omitted]),
    ]


def _omitted(size: int) -> tuple[str, bytes]:
    return f"{PREFIX}omitted_bytes", str(size).encode()
