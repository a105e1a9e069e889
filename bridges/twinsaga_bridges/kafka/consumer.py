"""A member of the consumer group: it polls in a thread of its own, and commits what is done."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from twinsaga_bridges.kafka.events import KafkaRecord
from twinsaga_bridges.kafka.key_lanes import Marks

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

POLL_MS = 200
COMMIT_EVERY_S = 0.5
COMMIT_DEADLINE_MS = 2_000
LEAVE_DEADLINE_MS = 1_000
FINISH_IN_HAND_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class Membership:
    """`take` gets each batch of records; `marks` says when they are done. With `in_hand` of them open it pauses."""

    def __init__(
        self,
        topics: Sequence[str],
        connect: Callable[[], KafkaConsumer],
        marks: Marks,
        take: Callable[[Sequence[KafkaRecord]], None],
        in_hand: int,
    ) -> None:
        self._topics = topics
        self._connect = connect
        self._marks = marks
        self._take = take
        self._in_hand = in_hand
        self._committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self._log = structlog.get_logger(__name__)

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        waits = pauses()
        while not stop.is_set():
            try:
                consumer = self._connect()
                try:
                    consumer.subscribe(self._topics)
                    self._consume(consumer, stop, joined)
                finally:
                    consumer.close(autocommit=False, timeout_ms=LEAVE_DEADLINE_MS)
            except KafkaError as fault:
                self._log.warning("the broker faulted, joining again", error=repr(fault))
                stop.wait(next(waits))
            finally:
                self._marks.forget_all_but(set())

    def _consume(
        self,
        consumer: KafkaConsumer,
        stop: threading.Event,
        joined: threading.Event,
    ) -> None:
        commit_at = 0.0
        while not stop.is_set():
            if self._marks.open >= self._in_hand:  # polling goes on, so the group does not take us for dead
                consumer.pause(*consumer.assignment())
            elif self._marks.open <= self._in_hand // 2:
                consumer.resume(*consumer.paused())
            batches = consumer.poll(timeout_ms=POLL_MS)
            assigned = {(partition.topic, partition.partition) for partition in consumer.assignment()}
            self._marks.forget_all_but(assigned)
            if assigned:
                joined.set()
            records = [_read(raw) for batch in batches.values() for raw in batch]
            for record in records:
                self._marks.taken(record)
            if records:
                self._take(records)
            if time.monotonic() >= commit_at:
                self._commit(consumer)
                commit_at = time.monotonic() + COMMIT_EVERY_S
        self._finish(consumer)

    def _finish(self, consumer: KafkaConsumer) -> None:
        end = time.monotonic() + FINISH_IN_HAND_S
        while self._marks.open and time.monotonic() < end:
            consumer.pause(*consumer.assignment())
            consumer.poll(timeout_ms=50)
        self._commit(consumer)

    def _commit(self, consumer: KafkaConsumer) -> None:
        """A fault only means that records come again, and a repetition has no effect."""
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in self._marks.committable().items()
        }
        if not offsets or offsets == self._committed:
            return
        try:
            consumer.commit(offsets, timeout_ms=COMMIT_DEADLINE_MS)
            self._committed = offsets
        except KafkaError as fault:
            self._log.warning("offsets not committed", error=repr(fault))


def pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _read(raw: "ConsumerRecord") -> KafkaRecord:
    return KafkaRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
    )
