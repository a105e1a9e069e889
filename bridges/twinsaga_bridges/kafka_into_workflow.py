"""Kafka events start, signal and update workflows: each event once, the events of each key in order.

    bridge = KafkaIntoWorkflow(client, {"invoices": cloud_events}, {"invoice.paid": Signal(...)}, connect, bury)
    await bridge.run(stop, joined)

Offsets are committed after Temporal has acknowledged. `docs/bridges/kafka_into_workflow.md` lists the guarantees.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer
from temporalio.client import Client

from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.consumer import GroupMember
from twinsaga_bridges.kafka.dispatch import Delivery, Undeliverable, described
from twinsaga_bridges.kafka.events import Decoder, IncomingEvent, KafkaRecord, Unreadable, cloud_events, plain_json
from twinsaga_bridges.kafka.keyed_queues import KeyedQueues, OffsetTracker
from twinsaga_bridges.kafka.routes import (
    NOTHING,
    Choose,
    Route,
    Routes,
    Signal,
    SignalWithStart,
    Start,
    TooLate,
    Update,
)

__all__ = [
    "NOTHING",
    "Bury",
    "Choose",
    "Decoder",
    "IncomingEvent",
    "KafkaIntoWorkflow",
    "KafkaRecord",
    "Limits",
    "Route",
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

Bury = Callable[[KafkaRecord, Exception], Awaitable[None] | None]
"""Stores a record among the dead letters, and returns when it is stored.

A function, which is called on a thread and may block, or a coroutine function. After any exception it is called again.
"""

RETRY = Backoff(first_s=0.1, longest_s=5.0)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`in_flight`: records in flight at which the consumer pauses. `calls`: maximum concurrent calls to Temporal."""

    in_flight: int = 500
    calls: int = 50


class KafkaIntoWorkflow:
    """One member of a consumer group.

    Args:
        client: its data converter encodes the arguments.
        topics: the decoder of each topic.
        routes: what an event of each type does.
        connect: makes a consumer in the group, without automatic commits. Called again after a broker error.
        bury: stores a dead letter.
    """

    def __init__(
        self,
        client: Client,
        topics: Mapping[str, Decoder],
        routes: Routes,
        connect: Callable[[], KafkaConsumer],
        bury: Bury,
        *,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._delivery = Delivery(client)
        self._topics = topics
        self._routes = routes
        self._connect = connect
        self._bury = bury
        self._max_in_flight = limits.in_flight
        self._calls = asyncio.Semaphore(limits.calls)
        self._offsets = OffsetTracker()
        self._queues = KeyedQueues(self._offsets, self._handle)

    async def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Run until `stop` is set, then give the records in flight five seconds.

        `joined` is set when the member gets its first partitions.
        """
        loop = asyncio.get_running_loop()

        def dispatch(records: Sequence[KafkaRecord]) -> None:
            loop.call_soon_threadsafe(self._queues.put, records)

        member = GroupMember(sorted(self._topics), self._connect, self._offsets, dispatch, self._max_in_flight)
        try:
            await asyncio.to_thread(member.run, stop, joined)
        finally:
            await self._queues.stop()

    async def _handle(self, record: KafkaRecord) -> None:
        """Retry until the record is delivered or buried: what is raised here concerns a server, not the record."""
        delays = RETRY.jittered()
        while True:
            try:
                async with self._calls:
                    await self._deliver(record)
            except Exception as error:  # noqa: BLE001 - user code may call any service, and raise its exceptions
                log.warning("%s will be delivered again: %s", _place(record), described(error))
            else:
                return
            await asyncio.sleep(next(delays))

    async def _deliver(self, record: KafkaRecord) -> None:
        try:
            event, route = self._decoded(record)
            await self._delivery.deliver(event, route)
        except (Unreadable, Undeliverable) as refusal:
            log.error("%s is a dead letter: %s", _place(record), refusal)  # noqa: TRY400 - not a fault of this program
            burying = await asyncio.to_thread(self._bury, record, refusal)
            if inspect.isawaitable(burying):
                await burying

    def _decoded(self, record: KafkaRecord) -> tuple[IncomingEvent, Route | Choose | None]:
        if record.undecodable is not None:
            raise Unreadable(str(record.undecodable))
        try:
            event = self._topics[record.topic](record)
            return event, self._routes.get(event.type)
        except Unreadable:
            raise
        except Exception as error:
            # A decoder sees only the record, so a retry would raise the same again and hold up the partition for ever.
            raise Unreadable(f"the decoder failed: {described(error)}") from error


def _place(record: KafkaRecord) -> str:
    return f"{record.topic}/{record.partition} offset {record.offset}"
