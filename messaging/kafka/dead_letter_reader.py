"""Reads the dead letters partition by partition, the oldest first, up to the present end of each partition.

A letter is identified by its place, `topic/partition/offset` in its `.dlq` topic.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from messaging.dead_letters import Letter
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.consumer_workarounds import end_offsets
from messaging.kafka.dead_letters import DeadLettersAway, story_of
from messaging.kafka.topics import dead_letters_of
from twinsaga_bridges.kafka.dead_letter_topic import PREFIX
from twinsaga_bridges.kafka.undecodable import error_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_000
"""The last second of the year 9999, in milliseconds since 1970."""

_POLL_MS = 200
_ANSWER_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True, order=True)
class Place:
    topic: str
    partition: int
    offset: int

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError if the text is not a place."""
        topic, partition, offset = text.split("/")
        place = cls(topic, int(partition), int(offset))
        if place.partition < 0 or place.offset < 0 or place.offset >= 1 << 63:
            raise ValueError(f"{text} is not a place")
        return place

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class DeadLetterReader:
    """`topics`: the topics whose dead letters are read, without `.dlq`."""

    def __init__(self, connection: KafkaConnection, topics: Sequence[str]) -> None:
        self._connection = connection
        self._topics = sorted(map(dead_letters_of, topics))

    def after(self, place: Place | None, *, topic: str | None = None) -> Generator[Letter, None, None]:
        """Yield the letters after the place, or all; with `topic` only those of this topic. Raises DeadLettersAway."""
        wanted = [name for name in self._topics if topic is None or name == dead_letters_of(topic)]
        return self._read(wanted, place)

    def at(self, place: Place) -> Letter | None:
        """Raises as `after` does."""
        if place.topic not in self._topics:
            return None
        before = Place(place.topic, place.partition, place.offset - 1)
        with closing(self._read([place.topic], before)) as letters:
            found = next(letters, None)
        return found if found is not None and found.place == str(place) else None

    def _read(self, topics: Sequence[str], behind: Place | None) -> Generator[Letter, None, None]:
        try:
            with closing(self._connection.reader()) as consumer:
                partitions = sorted(
                    TopicPartition(topic, number)
                    for topic in topics
                    for number in consumer.partitions_for_topic(topic) or ()
                )
                if not partitions:
                    return
                consumer.assign(partitions)
                consumer.seek_to_beginning()
                ends = end_offsets(consumer, partitions, _ANSWER_DEADLINE_S)
                for partition in partitions:
                    first = _first(partition, behind)
                    if first is not None and first < ends[partition]:
                        yield from _letters(consumer, partition, first, ends[partition])
        except KafkaError as away:
            raise DeadLettersAway(f"the dead letters cannot be read: {away!r}") from away


def _first(partition: TopicPartition, behind: Place | None) -> int | None:
    """The first offset to read, or None if the whole partition is before the place."""
    if behind is None or partition > (behind.topic, behind.partition):
        return 0
    return behind.offset + 1 if partition == (behind.topic, behind.partition) else None


def _letters(consumer: KafkaConsumer, partition: TopicPartition, first: int, end: int) -> Iterator[Letter]:
    consumer.assign([partition])
    consumer.seek(partition, first)
    deadline = time.monotonic() + _ANSWER_DEADLINE_S
    position = first
    while position < end:
        for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
            if record.offset >= end:
                return
            yield _letter(record)
            # The caller may keep a letter for long: only the time without an answer of the broker counts.
            deadline = time.monotonic() + _ANSWER_DEADLINE_S
        position = consumer.position(partition)
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"no records of {partition} after offset {position}")


def _instant(timestamp_ms: int) -> datetime:
    """The nearest instant that Python knows: producers set timestamps, and may set any number of 64 bits."""
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), _LAST_MS))


def _letter(record: "ConsumerRecord") -> Letter:
    headers = [(name, value or b"") for name, value in record.headers]
    if (undecodable := error_of(record)) is not None:
        headers = [(f"{PREFIX}omitted_bytes", b"0"), (f"{PREFIX}message", str(undecodable).encode())]
    return Letter(
        place=str(Place(record.topic, record.partition, record.offset)),
        buried_at=_instant(record.timestamp),
        key=record.key,
        value=record.value,
        headers=[(name, value) for name, value in headers if not name.startswith(PREFIX)],
        story=story_of(headers),
    )
