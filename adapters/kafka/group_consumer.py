"""One member of a service's consumer group.

Offsets are committed by hand, after the transaction, for what is decided without a gap, and only for partitions that
this member owns: a broker takes anybody's commit. A commit takes as long as handling a message, so one is for all that
was decided in a quarter of a second; what comes again after a crash, the inbox drops. While nothing can be decided, the
partitions are paused and polling goes on, so that the member keeps them.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.delivery import NOTHING_DECIDED
from adapters.kafka.message import Deciding, IncomingMessage
from twinsaga_bridges.backoff import Backoff

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    Batch = Mapping[TopicPartition, Sequence[ConsumerRecord]]

_POLL_MS = 250
_BATCH_S = 20.0
"""A batch that takes longer is given back unfinished, well before the group takes this member for dead."""

_COMMIT_WITHIN_S = 0.25
_COMMIT_DEADLINE_MS = 2_000
_LEAVE_DEADLINE_MS = 1_000
_AWAY = Backoff(first_s=0.1, longest_s=5.0)


class GroupMember:
    """`before_poll` is called when nothing is in hand."""

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[str],
        deliveries: Deciding,
        before_poll: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = sorted(topics)
        self._deliveries = deliveries
        self._before_poll = before_poll
        self._decided: dict[TopicPartition, int] = {}
        """Of the batch in hand: where the first message is that is not decided."""
        self._uncommitted: dict[TopicPartition, int] = {}
        self._commit_at = 0.0
        self._away_delays = _AWAY.jittered()
        self._log = structlog.get_logger(__name__).bind(group=group)

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Consume until `stop` is set, then commit and leave. `joined` is set once it is a member."""
        delays = _AWAY.jittered()
        while not stop.is_set():
            try:
                self._consume(stop, joined)
            except KafkaError as fault:
                self._log.warning("the broker faulted, joining again", error=repr(fault))
                stop.wait(next(delays))

    def _consume(self, stop: threading.Event, joined: threading.Event) -> None:
        consumer = self._connection.consumer(self._group)
        try:
            consumer.subscribe(self._topics, listener=_Rebalances(self, consumer, joined))
            while not stop.is_set():
                self._before_poll()
                batch = consumer.poll(timeout_ms=self._poll_ms())
                self._take(consumer, batch, stop)
        finally:
            self._commit(consumer, _LEAVE_DEADLINE_MS)
            consumer.close(autocommit=False, timeout_ms=_LEAVE_DEADLINE_MS)

    def _poll_ms(self) -> int:
        until_s = self._deliveries.seconds_until_next
        if self._uncommitted:
            until_s = min(until_s, max(0.0, self._commit_at - time.monotonic()))
        return min(_POLL_MS, int(until_s * 1000) + 1)

    def _take(self, consumer: KafkaConsumer, batch: "Batch", stop: threading.Event) -> None:
        self._decided = {}
        try:
            self._decide(consumer, batch, stop)
            self._retry_parked(consumer)
        except NOTHING_DECIDED as away:
            self._give_back(consumer, batch)
            self._commit(consumer)
            self._hold(consumer, away, stop)
        else:
            self._commit_in_time(consumer)
        self._decided = {}

    def _decide(self, consumer: KafkaConsumer, batch: "Batch", stop: threading.Event) -> None:
        began = time.monotonic()
        messages = [IncomingMessage.from_record(record) for record in chain.from_iterable(batch.values())]
        for message in self._deliveries.decide(messages):
            partition = TopicPartition(message.topic, message.partition)
            if not self._uncommitted:
                self._commit_at = time.monotonic() + _COMMIT_WITHIN_S
            self._decided[partition] = self._uncommitted[partition] = message.offset + 1
            self._retry_parked(consumer)
            if stop.is_set() or time.monotonic() - began > _BATCH_S:
                self._give_back(consumer, batch)
                break
            self._commit_in_time(consumer)

    def _retry_parked(self, consumer: KafkaConsumer) -> None:
        if not self._deliveries.seconds_until_next:
            self._deliveries.retry_due({(owned.topic, owned.partition) for owned in consumer.assignment()})

    def _give_back(self, consumer: KafkaConsumer, batch: "Batch") -> None:
        """Go back to the first message of each partition that is not decided; a later poll brings it again."""
        for partition, records in batch.items():
            undecided = max(records[0].offset, self._decided.get(partition, 0)) if records else None
            if undecided is not None and partition in consumer.assignment():
                consumer.seek(partition, undecided)

    def _commit_in_time(self, consumer: KafkaConsumer) -> None:
        if self._uncommitted and time.monotonic() >= self._commit_at:
            self._commit(consumer)

    def _commit(self, consumer: KafkaConsumer, deadline_ms: int = _COMMIT_DEADLINE_MS) -> None:
        """Commit what is decided. A commit that fails is not repeated: the next one covers it, or the inbox does."""
        offsets = self._offsets_to_commit(consumer)
        if not offsets:
            return
        try:
            consumer.commit(offsets, timeout_ms=deadline_ms)
        except KafkaError as fault:
            self._log.warning("offsets are not committed", error=repr(fault))

    def commit_unseen(self, consumer: KafkaConsumer) -> None:
        """Commit without waiting for the answer: the client, which calls this, would wait for itself."""
        offsets = self._offsets_to_commit(consumer)
        if offsets:
            consumer.commit_async(offsets)

    def commit_no_more(self) -> None:
        """Others have the partitions by now, and have perhaps come further."""
        self._uncommitted = {}

    def _offsets_to_commit(self, consumer: KafkaConsumer) -> dict[TopicPartition, OffsetAndMetadata]:
        owned, decided = consumer.assignment(), self._uncommitted
        self._uncommitted = {}
        return {
            partition: OffsetAndMetadata(offset, "", -1) for partition, offset in decided.items() if partition in owned
        }

    def _hold(self, consumer: KafkaConsumer, away: Exception, stop: threading.Event) -> None:
        """Keep the partitions without taking messages, until the check of what was away passes."""
        self._log.error("paused", error=repr(away))
        if self._decided:
            self._away_delays = _AWAY.jittered()
        while not stop.is_set():
            self._poll_paused(consumer, next(self._away_delays), stop)
            try:
                self._deliveries.check()
            except NOTHING_DECIDED:
                continue
            break
        consumer.resume(*consumer.assignment())
        self._log.info("resumed")

    def _poll_paused(self, consumer: KafkaConsumer, seconds: float, stop: threading.Event) -> None:
        end = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < end:
            consumer.pause(*consumer.assignment())
            # A partition that this very poll was given may bring messages before it is paused.
            self._give_back(consumer, consumer.poll(timeout_ms=min(_POLL_MS, int(seconds * 1000) + 1)))


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    def __init__(self, member: GroupMember, consumer: KafkaConsumer, joined: threading.Event) -> None:
        self._member = member
        self._consumer = consumer
        self._joined = joined

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - always all of them
        self._member.commit_unseen(self._consumer)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:  # noqa: ARG002 - as above
        self._member.commit_no_more()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002 - none is fine too
        self._joined.set()
