"""One member of a consumer group.

Offsets are committed by hand, after the database transaction, and without a gap. A commit takes as long as handling a
message, so one commit covers everything that was handled within a quarter of a second; after a crash the messages of
that time come again, and the inbox drops them. Only partitions that this member owns are committed, because a broker
accepts a commit from a former owner too. During an outage the member pauses its partitions and continues to poll, so
that it keeps them.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.delivery import OUTAGES
from messaging.kafka.message import IncomingMessage, MessageHandler
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.isolation import Isolation
from twinsaga_bridges.kafka.undecodable import error_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    Batch = Mapping[TopicPartition, Sequence[ConsumerRecord]]

_POLL_MS = 250
_BATCH_S = 20.0
"""The rest of a batch that takes longer is polled again, well before the group considers this member dead."""

COMMIT_WITHIN_S = 0.25
_COMMIT_DEADLINE_MS = 2_000
_LEAVE_DEADLINE_MS = 1_000
_OUTAGE_BACKOFF = Backoff(first_s=0.1, longest_s=5.0)


class GroupMember:
    def __init__(  # noqa: PLR0913 - what it works with, and its limits
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[str],
        handler: MessageHandler,
        *,
        isolation: Isolation[IncomingMessage] | None = None,
        before_poll: Callable[[], None] = lambda: None,
        commit_within_s: float = COMMIT_WITHIN_S,
    ) -> None:
        """`before_poll` is called between batches. `commit_within_s`: longest delay between handling and commit.

        `isolation`: None where nothing that a message does can end the process.
        """
        self._connection = connection
        self._group = group
        self._topics = sorted(topics)
        self._handler = handler
        self._isolation = isolation
        self._before_poll = before_poll
        self._commit_within_s = commit_within_s
        self._handled: dict[TopicPartition, int] = {}
        """In the current batch: the offset of the first message that is not handled."""
        self._uncommitted: dict[TopicPartition, int] = {}
        self._commit_at = 0.0
        self._outage_delays = _OUTAGE_BACKOFF.jittered()
        self._in_outage = False
        self._log = structlog.get_logger(__name__).bind(group=group)

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Consume until `stop` is set, then commit and leave. `joined` is set once partitions are assigned."""
        delays = _OUTAGE_BACKOFF.jittered()
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
            self._leave()  # not in `finally`: an exception that ends the process is a death, too
        finally:
            self._commit(consumer, _LEAVE_DEADLINE_MS)
            consumer.close(autocommit=False, timeout_ms=_LEAVE_DEADLINE_MS)

    def _poll_ms(self) -> int:
        until_s = self._handler.seconds_until_retry
        if self._uncommitted:
            until_s = min(until_s, max(0.0, self._commit_at - time.monotonic()))
        return min(_POLL_MS, int(until_s * 1000) + 1)

    def _take(self, consumer: KafkaConsumer, batch: "Batch", stop: threading.Event) -> None:
        self._handled = {}
        try:
            self._handle(consumer, batch, stop)
            self._retry_parked(consumer)
        except OUTAGES as outage:
            self._rewind(consumer, batch)
            self._commit(consumer)
            self._wait_for_end_of(outage, consumer, stop)
        else:
            self._commit_in_time(consumer)
        self._handled = {}

    def _handle(self, consumer: KafkaConsumer, batch: "Batch", stop: threading.Event) -> None:
        began = time.monotonic()
        messages = [IncomingMessage.from_record(record) for record in chain.from_iterable(batch.values())]
        portions = self._isolation.portions(messages) if self._isolation is not None else [messages]
        for message in chain.from_iterable(map(self._handler.handle, portions)):
            partition = TopicPartition(message.topic, message.partition)
            if not self._uncommitted:
                self._commit_at = time.monotonic() + self._commit_within_s
            self._handled[partition] = self._uncommitted[partition] = message.offset + 1
            self._retry_parked(consumer)
            if stop.is_set() or time.monotonic() - began > _BATCH_S:
                self._rewind(consumer, batch)
                break
            self._commit_in_time(consumer)

    def _retry_parked(self, consumer: KafkaConsumer) -> None:
        if not self._handler.seconds_until_retry:
            self._handler.retry_due({(owned.topic, owned.partition) for owned in consumer.assignment()})

    def _rewind(self, consumer: KafkaConsumer, batch: "Batch") -> None:
        """Seek each partition to its first message that is not handled, so that a later poll returns it again."""
        for partition, records in batch.items():
            offset = max(_first_offset(records[0]), self._handled.get(partition, 0)) if records else None
            if offset is not None and partition in consumer.assignment():
                consumer.seek(partition, offset)

    def _commit_in_time(self, consumer: KafkaConsumer) -> None:
        if self._uncommitted and time.monotonic() >= self._commit_at:
            self._commit(consumer)

    def _commit(self, consumer: KafkaConsumer, deadline_ms: int = _COMMIT_DEADLINE_MS) -> None:
        """Commit what is handled. A failed commit is not repeated: the next one covers it, or the inbox does."""
        offsets = self._offsets_to_commit(consumer)
        if not offsets:
            return
        try:
            consumer.commit(offsets, timeout_ms=deadline_ms)
        except KafkaError as fault:
            self._log.warning("offsets are not committed", error=repr(fault))

    def commit_on_revoke(self, consumer: KafkaConsumer) -> None:
        """Commit without waiting for the answer: the client calls this, and would wait for itself."""
        self._leave()
        offsets = self._offsets_to_commit(consumer)
        if offsets:
            consumer.commit_async(offsets)

    def forget_uncommitted(self) -> None:
        """For lost partitions: their new owners may have committed higher offsets by now."""
        self._uncommitted = {}
        if self._isolation is not None:
            self._isolation.forget()

    def _leave(self) -> None:
        if self._isolation is None:
            return
        if self._in_outage:  # the database would block the client's thread, and with it the heartbeats
            self._isolation.forget()
        else:
            self._isolation.leave()

    def _offsets_to_commit(self, consumer: KafkaConsumer) -> dict[TopicPartition, OffsetAndMetadata]:
        owned, handled = consumer.assignment(), self._uncommitted
        self._uncommitted = {}
        return {
            partition: OffsetAndMetadata(offset, "", -1) for partition, offset in handled.items() if partition in owned
        }

    def _wait_for_end_of(self, outage: Exception, consumer: KafkaConsumer, stop: threading.Event) -> None:
        """Keep the partitions, paused, until the handler's check passes."""
        self._log.error("paused", error=repr(outage))
        if self._handled:  # there was progress, so this is another outage
            self._outage_delays = _OUTAGE_BACKOFF.jittered()
        self._in_outage = True
        try:
            while not stop.is_set():
                self._poll_paused(consumer, next(self._outage_delays), stop)
                with suppress(*OUTAGES):
                    self._handler.check()
                    break
        finally:
            self._in_outage = False
        consumer.resume(*consumer.assignment())
        self._log.info("resumed")

    def _poll_paused(self, consumer: KafkaConsumer, seconds: float, stop: threading.Event) -> None:
        end = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < end:
            consumer.pause(*consumer.assignment())
            # A partition that is assigned during this poll may return messages before it can be paused.
            self._rewind(consumer, consumer.poll(timeout_ms=min(_POLL_MS, int(seconds * 1000) + 1)))


def _first_offset(record: "ConsumerRecord") -> int:
    undecodable = error_of(record)
    return undecodable.first if undecodable is not None else int(record.offset)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    def __init__(self, member: GroupMember, consumer: KafkaConsumer, joined: threading.Event) -> None:
        self._member = member
        self._consumer = consumer
        self._joined = joined

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - always all of them
        self._member.commit_on_revoke(self._consumer)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:  # noqa: ARG002 - as above
        self._member.forget_uncommitted()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # noqa: ARG002 - none is fine too
        self._joined.set()
