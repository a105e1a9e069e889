"""Kafka events start, signal and update workflows: each event once, each key in order.

    bridge = KafkaIntoWorkflow(client, {"orders": cloud_events}, {"order.created": SignalWithStart(...)}, connect, bury)
    await bridge.run(stop, joined)

Offsets are committed once Temporal has acknowledged. `docs/bridges/kafka_into_workflow.md` says what is guaranteed when
which side dies.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from temporalio.client import Client

from bridges.kafka_delivery import Delivery, TemporalAway, Undeliverable
from bridges.kafka_events import Decoder, IncomingEvent, KafkaRecord, Unreadable, cloud_events, plain_json
from bridges.kafka_lanes import Lanes, Marks
from bridges.kafka_routes import Routes, Signal, SignalWithStart, Start, Update

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = [
    "IncomingEvent",
    "KafkaIntoWorkflow",
    "KafkaRecord",
    "Routes",
    "Signal",
    "SignalWithStart",
    "Start",
    "Unreadable",
    "Update",
    "cloud_events",
    "plain_json",
]

Bury = Callable[[KafkaRecord, Exception], None]
"""Puts a record among the dead letters, and returns when it is there. Blocks; whatever it raises is tried again."""

POLL_MS = 200
COMMIT_EVERY_S = 0.5
COMMIT_DEADLINE_MS = 2_000
FINISH_IN_HAND_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`in_hand` records are held at most; `calls` of them are at Temporal at a time."""

    in_hand: int = 500
    calls: int = 50


class KafkaIntoWorkflow:
    """One member of a consumer group. `topics`: how each is read. `connect` makes a consumer that commits by hand."""

    def __init__(
        self,
        client: Client,
        topics: Mapping[str, Decoder],
        routes: Routes,
        connect: Callable[[], KafkaConsumer],
        bury: Bury,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._delivery = Delivery(client)
        self._topics = topics
        self._routes = routes
        self._connect = connect
        self._bury = bury
        self._pace = pace or Pace()
        self._calls = asyncio.Semaphore(self._pace.calls)
        self._marks = Marks()
        self._lanes = Lanes(self._marks, self._handle)
        self._committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self._log = structlog.get_logger(__name__)

    async def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Bridge until `stop` is set; then what is in hand gets five seconds. `joined` is set once it is a member."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._consume_until, stop, joined, loop)
        finally:
            await self._lanes.stop()

    def _consume_until(self, stop: threading.Event, joined: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        pauses = _pauses()
        while not stop.is_set():
            try:
                with closing(self._connect()) as consumer:
                    consumer.subscribe(sorted(self._topics))
                    self._consume(consumer, stop, joined, loop)
            except KafkaError as fault:
                self._log.warning("the broker faulted, joining again", error=repr(fault))
                stop.wait(next(pauses))
            finally:
                self._marks.forget_all_but(set())

    def _consume(
        self,
        consumer: KafkaConsumer,
        stop: threading.Event,
        joined: threading.Event,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        commit_at = 0.0
        while not stop.is_set():
            if self._marks.open >= self._pace.in_hand:  # polling goes on, so the group does not take us for dead
                consumer.pause(*consumer.assignment())
            elif self._marks.open <= self._pace.in_hand // 2:
                consumer.resume(*consumer.paused())
            batches = consumer.poll(timeout_ms=POLL_MS)
            assigned = {(partition.topic, partition.partition) for partition in consumer.assignment()}
            self._marks.forget_all_but(assigned)
            if assigned:
                joined.set()
            records = [_record(raw) for batch in batches.values() for raw in batch]
            for record in records:
                self._marks.taken(record)
            if records:
                loop.call_soon_threadsafe(self._lanes.take, records)
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

    async def _handle(self, record: KafkaRecord) -> None:
        pauses = _pauses()
        while True:
            try:
                async with self._calls:
                    await self._deliver(record)
            except TemporalAway as away:
                self._log.warning("Temporal is away", error=str(away), topic=record.topic, offset=record.offset)
            except Exception as fault:  # noqa: BLE001 - the dead letters are away, whatever carries them
                self._log.warning("dead letters are away", error=repr(fault), topic=record.topic, offset=record.offset)
            else:
                return
            await asyncio.sleep(next(pauses))

    async def _deliver(self, record: KafkaRecord) -> None:
        try:
            event = self._topics[record.topic](record)
            route = self._routes.get(event.type)
            if route is not None:
                await self._delivery.deliver(event, route)
        except (Unreadable, Undeliverable) as why:
            self._log.error("dead letter", topic=record.topic, offset=record.offset, error=str(why))
            await asyncio.to_thread(self._bury, record, why)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _record(raw: "ConsumerRecord") -> KafkaRecord:
    return KafkaRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
    )
