"""One member of a consumer group: it polls in a thread of its own and commits the offsets of handled records."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.connection import check_consumer
from twinsaga_bridges.kafka.isolation import Isolation
from twinsaga_bridges.kafka.keyed_queues import OffsetTracker
from twinsaga_bridges.kafka.records import KafkaRecord
from twinsaga_bridges.kafka.undecodable import pass_undecodable, record_of

POLL_MS = 200
ISOLATED_POLL_MS = 5
"""While records are handled one at a time: the next one begins this soon after the one before."""

COMMIT_EVERY_S = 0.5
COMMIT_DEADLINE_MS = 2_000
LEAVE_DEADLINE_MS = 1_000
DRAIN_S = 5.0
REJOIN = Backoff(first_s=0.1, longest_s=5.0)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class GroupMember:
    """Passes each polled batch to `dispatch`, and pauses its partitions while `max_in_flight` records are in flight.

    `offsets` is shared with the code that handles the records and completes them there. `isolation`: None to handle
    records without it.
    """

    topics: Sequence[str]
    connect: Callable[[], KafkaConsumer]
    offsets: OffsetTracker
    dispatch: Callable[[Sequence[KafkaRecord]], None]
    max_in_flight: int
    isolation: Isolation[KafkaRecord] | None
    _polled: deque[Sequence[KafkaRecord]] = field(default_factory=deque, init=False)
    """Batches that wait for the end of the first one, which is handled in portions."""
    _portions: Iterator[Sequence[KafkaRecord]] | None = field(default=None, init=False)
    _committed: tuple[int, dict[TopicPartition, OffsetAndMetadata]] | None = field(default=None, init=False)

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Consume until `stop` is set; rejoin the group with backoff after every broker error.

        Raises UnsuitableClient: `connect` makes a consumer that would lose or stall records.
        """
        delays = REJOIN.jittered()
        while not stop.is_set():
            try:
                consumer = self.connect()
                try:
                    check_consumer(consumer)
                    pass_undecodable(consumer)
                    self._consume(consumer, stop, joined)
                finally:
                    consumer.close(autocommit=False, timeout_ms=LEAVE_DEADLINE_MS)
            except KafkaError as error:
                log.warning("broker error, joining the group again: %r", error)
                stop.wait(next(delays))
            finally:
                self._drop_all()

    def _consume(self, consumer: KafkaConsumer, stop: threading.Event, joined: threading.Event) -> None:
        rebalances = _Rebalances(self.isolation)
        consumer.subscribe(self.topics, listener=rebalances)
        commit_at = 0.0
        while not stop.is_set():
            self._limit_in_flight(consumer)
            batches = consumer.poll(timeout_ms=POLL_MS if self._portions is None else ISOLATED_POLL_MS)
            if rebalances.lost_partitions():
                self._drop_all()
            assigned = {(partition.topic, partition.partition) for partition in consumer.assignment()}
            self.offsets.retain(assigned)
            if assigned:
                joined.set()
            self._polled.extend([record_of(raw) for raw in batch] for batch in batches.values())
            self._dispatch_next()
            if time.monotonic() >= commit_at:
                self._commit(consumer)
                commit_at = time.monotonic() + COMMIT_EVERY_S
        self._drain(consumer)
        if self.isolation is not None:
            self.isolation.leave()  # not in `finally`: an exception that ends the process is a death, too

    def _drop_all(self) -> None:
        """For lost partitions: they come back without positions, so what is not committed comes again."""
        self._polled.clear()
        self._portions = None
        self.offsets.retain(set())

    def _dispatch_next(self) -> None:
        """Dispatch what may be handled together. Of isolated records that is one, when no other is in flight."""
        while self._portions is not None or self._polled:
            if self._portions is None:
                records = [record for batch in self._polled for record in batch]
                self._polled.clear()
                if self.isolation is None or not self.isolation.enter(records):
                    self._dispatch(records)
                else:
                    self._portions = self.isolation.portions(records)
            elif self.offsets.in_flight:
                return
            elif (portion := next(self._portions, None)) is not None:
                self._dispatch(portion)
            else:
                self._portions = None

    def _dispatch(self, records: Sequence[KafkaRecord]) -> None:
        for record in records:
            self.offsets.add(record)
        self.dispatch(records)

    def _limit_in_flight(self, consumer: KafkaConsumer) -> None:
        # A paused consumer keeps polling: otherwise the group would take it for dead and reassign its partitions.
        if self._portions is not None or self.offsets.in_flight >= self.max_in_flight:
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
        completed = self.offsets.completed
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in self.offsets.committable().items()
        }
        # The count, because a broker that lost its offsets must get them again, even where they are the same.
        if not offsets or self._committed == (completed, offsets):
            return
        try:
            consumer.commit(offsets, timeout_ms=COMMIT_DEADLINE_MS)
            self._committed = completed, offsets
        except KafkaError as error:
            # Harmless: the records are delivered again, and a repeated event has no second effect.
            log.warning("offsets not committed: %r", error)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    """Notes that partitions were lost. kafka-python calls it in a thread of its own, also without a KafkaError.

    In a rebalance without a loss, kafka-python keeps the positions of the partitions that stay: their records in flight
    do not come again, and must not be dropped.
    """

    def __init__(self, isolation: Isolation[KafkaRecord] | None) -> None:
        self._isolation = isolation
        self._lost = threading.Event()

    def lost_partitions(self) -> bool:
        """Return whether partitions were lost since the last call."""
        if not self._lost.is_set():
            return False
        self._lost.clear()
        return True

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - always all of them
        if self._isolation is not None:
            self._isolation.leave()

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:  # noqa: ARG002 - as above
        self._lost.set()
        if self._isolation is not None:
            self._isolation.forget()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """What must be known is in the consumer's assignment."""
