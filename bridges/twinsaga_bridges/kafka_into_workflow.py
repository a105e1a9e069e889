"""Kafka events start, signal and update workflows: each event once, each key in order.

    bridge = KafkaIntoWorkflow(client, {"orders": cloud_events}, {"order.created": SignalWithStart(...)}, connect, bury)
    await bridge.run(stop, joined)

Offsets are committed once Temporal has acknowledged. `docs/bridges/kafka_into_workflow.md` says what is guaranteed when
which side dies.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from kafka import KafkaConsumer
from temporalio.client import Client

from twinsaga_bridges.kafka.consumer import Membership, pauses
from twinsaga_bridges.kafka.dispatch import Delivery, TemporalAway, Undeliverable
from twinsaga_bridges.kafka.events import Decoder, IncomingEvent, KafkaRecord, Unreadable, cloud_events, plain_json
from twinsaga_bridges.kafka.key_lanes import Lanes, Marks
from twinsaga_bridges.kafka.routes import NOTHING, Choose, Routes, Signal, SignalWithStart, Start, TooLate, Update

__all__ = [
    "NOTHING",
    "Bury",
    "Choose",
    "Decoder",
    "IncomingEvent",
    "KafkaIntoWorkflow",
    "KafkaRecord",
    "Routes",
    "Signal",
    "SignalWithStart",
    "Start",
    "TooLate",
    "Unreadable",
    "Update",
    "cloud_events",
    "plain_json",
]

Bury = Callable[[KafkaRecord, Exception], None]
"""Puts a record among the dead letters, and returns when it is there. Blocks; whatever it raises is tried again."""


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
        self._log = structlog.get_logger(__name__)

    async def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Bridge until `stop` is set; then what is in hand gets five seconds. `joined` is set once it is a member."""
        loop = asyncio.get_running_loop()

        def take(records: Sequence[KafkaRecord]) -> None:
            loop.call_soon_threadsafe(self._lanes.take, records)

        member = Membership(sorted(self._topics), self._connect, self._marks, take, self._pace.in_hand)
        try:
            await asyncio.to_thread(member.run, stop, joined)
        finally:
            await self._lanes.stop()

    async def _handle(self, record: KafkaRecord) -> None:
        waits = pauses()
        while True:
            try:
                async with self._calls:
                    await self._deliver(record)
            except TemporalAway as away:
                self._log.warning("Temporal is away", error=str(away), topic=record.topic, offset=record.offset)
            except Exception as fault:  # noqa: BLE001 - what a route stands on is away, or what carries the dead letters
                self._log.warning("to be tried again", error=repr(fault), topic=record.topic, offset=record.offset)
            else:
                return
            await asyncio.sleep(next(waits))

    async def _deliver(self, record: KafkaRecord) -> None:
        try:
            event = self._topics[record.topic](record)
            route = self._routes.get(event.type)
            if route is not None:
                await self._delivery.deliver(event, route)
        except (Unreadable, Undeliverable) as why:
            self._log.error("dead letter", topic=record.topic, offset=record.offset, error=str(why))
            await asyncio.to_thread(self._bury, record, why)
