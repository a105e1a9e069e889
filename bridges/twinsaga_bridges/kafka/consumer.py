"""One member of a consumer group: it polls in a thread of its own and commits the offsets of handled records."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.events import KafkaRecord
from twinsaga_bridges.kafka.keyed_queues import OffsetTracker
from twinsaga_bridges.kafka.undecodable import error_of, pass_undecodable

POLL_MS = 200
COMMIT_EVERY_S = 0.5
COMMIT_DEADLINE_MS = 2_000
LEAVE_DEADLINE_MS = 1_000
DRAIN_S = 5.0
REJOIN = Backoff(first_s=0.1, longest_s=5.0)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class GroupMember:
    """Passes each polled batch to `dispatch`, and pauses its partitions while `max_in_flight` records are in flight.

    `offsets` is shared with the code that handles the records and completes them there.
    """

    topics: Sequence[str]
    connect: Callable[[], KafkaConsumer]
    offsets: OffsetTracker
    dispatch: Callable[[Sequence[KafkaRecord]], None]
    max_in_flight: int
    _committed: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict, init=False)

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Consume until `stop` is set; rejoin the group with backoff after every broker error."""
        delays = REJOIN.jittered()
        while not stop.is_set():
            try:
                consumer = self.connect()
                pass_undecodable(consumer)
                try:
                    self._consume(consumer, stop, joined)
                finally:
                    consumer.close(autocommit=False, timeout_ms=LEAVE_DEADLINE_MS)
            except KafkaError as error:
                log.warning("broker error, joining the group again: %r", error)
                stop.wait(next(delays))
            finally:
                self.offsets.retain(set())

    def _consume(self, consumer: KafkaConsumer, stop: threading.Event, joined: threading.Event) -> None:
        rebalances = _Rebalances()
        consumer.subscribe(self.topics, listener=rebalances)
        commit_at = 0.0
        while not stop.is_set():
            self._limit_in_flight(consumer)
            batches = consumer.poll(timeout_ms=POLL_MS)
            if rebalances.assigned_again():
                # A broker that lost its offsets must get them again, even where they are the same.
                self._committed = {}
                self.offsets.retain(set())
            assigned = {(partition.topic, partition.partition) for partition in consumer.assignment()}
            self.offsets.retain(assigned)
            if assigned:
                joined.set()
            records = [_read(raw) for batch in batches.values() for raw in batch]
            for record in records:
                self.offsets.add(record)
            if records:
                self.dispatch(records)
            if time.monotonic() >= commit_at:
                self._commit(consumer)
                commit_at = time.monotonic() + COMMIT_EVERY_S
        self._drain(consumer)

    def _limit_in_flight(self, consumer: KafkaConsumer) -> None:
        # A paused consumer keeps polling: otherwise the group would take it for dead and reassign its partitions.
        if self.offsets.in_flight >= self.max_in_flight:
            consumer.pause(*consumer.assignment())
        elif self.offsets.in_flight <= self.max_in_flight // 2:
            consumer.resume(*consumer.paused())

    def _drain(self, consumer: KafkaConsumer) -> None:
        """Wait up to DRAIN_S seconds for the records in flight, then commit."""
        end = time.monotonic() + DRAIN_S
        while self.offsets.in_flight and time.monotonic() < end:
            consumer.pause(*consumer.assignment())
            consumer.poll(timeout_ms=50)
        self._commit(consumer)

    def _commit(self, consumer: KafkaConsumer) -> None:
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in self.offsets.committable().items()
        }
        if not offsets or offsets == self._committed:
            return
        try:
            consumer.commit(offsets, timeout_ms=COMMIT_DEADLINE_MS)
            self._committed = offsets
        except KafkaError as error:
            # Harmless: the records are delivered again, and a repeated event has no second effect.
            log.warning("offsets not committed: %r", error)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    """Notes that partitions were assigned. kafka-python calls it in a thread of its own, also without a KafkaError."""

    def __init__(self) -> None:
        self._assigned = threading.Event()

    def assigned_again(self) -> bool:
        """Return whether partitions were assigned since the last call."""
        if not self._assigned.is_set():
            return False
        self._assigned.clear()
        return True

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """What is in flight is not committed: it is delivered again."""

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002 - which does not matter
        self._assigned.set()


def _read(raw: ConsumerRecord) -> KafkaRecord:
    return KafkaRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
        undecodable=error_of(raw),
    )
