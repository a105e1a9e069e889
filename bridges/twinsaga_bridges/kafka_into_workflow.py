"""Kafka events start, signal and update workflows: each event once, the events of each key in order.

    kafka = KafkaConnection(bootstrap="kafka:9092")
    bridge = KafkaIntoWorkflow(
        client,
        {"invoices": cloud_events},
        {"invoice.paid": Signal(...)},
        connect=lambda: kafka.consumer("invoice-bridge"),
        bury=DeadLetterTopic(kafka.producer),
    )
    await bridge.run()

Offsets are committed after Temporal has acknowledged. `docs/bridges/kafka_into_workflow.md` lists the guarantees.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka import KafkaConsumer
from temporalio.client import Client

from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.connection import KafkaConnection, RejoiningConsumer, UnsuitableClient
from twinsaga_bridges.kafka.consumer import GroupMember
from twinsaga_bridges.kafka.dead_letter_topic import DeadLetterTopic
from twinsaga_bridges.kafka.dispatch import Delivery
from twinsaga_bridges.kafka.events import (
    Decoder,
    FromJson,
    IncomingEvent,
    Trace,
    Unreadable,
    check_event,
    cloud_events,
    plain_json,
    record_key,
    record_place,
    recorded_trace,
    traceparent_of,
)
from twinsaga_bridges.kafka.faults import AWAY, Undeliverable, described
from twinsaga_bridges.kafka.isolation import Attempt, Attempts, AttemptsFolder, Isolation, KillsItsProcess
from twinsaga_bridges.kafka.keyed_queues import KeyedQueues, OffsetTracker
from twinsaga_bridges.kafka.outcomes import Counts, Outcome, RecentIds
from twinsaga_bridges.kafka.records import KafkaRecord
from twinsaga_bridges.kafka.routes import (
    NOTHING,
    Argument,
    Arguments,
    Choose,
    Route,
    Routes,
    Signal,
    SignalWithStart,
    Start,
    TooLate,
    Update,
    WorkflowId,
)
from twinsaga_bridges.kafka.stopping import stopped_by_signals
from twinsaga_bridges.kafka.undecodable import UndecodableBatch
from twinsaga_bridges.kafka.waiting_records import WaitingRecords

__all__ = [
    "NOTHING",
    "Argument",
    "Arguments",
    "Attempt",
    "Attempts",
    "AttemptsFolder",
    "Bury",
    "Choose",
    "Counts",
    "DeadLetterTopic",
    "Decoder",
    "FromJson",
    "IncomingEvent",
    "KafkaConnection",
    "KafkaIntoWorkflow",
    "KafkaRecord",
    "KillsItsProcess",
    "Limits",
    "RejoiningConsumer",
    "Route",
    "Routes",
    "Signal",
    "SignalWithStart",
    "Start",
    "TooLate",
    "Trace",
    "UndecodableBatch",
    "Undeliverable",
    "Unreadable",
    "UnsuitableClient",
    "Update",
    "WorkflowId",
    "cloud_events",
    "plain_json",
    "record_key",
    "record_place",
    "recorded_trace",
    "traceparent_of",
]

Bury = Callable[[KafkaRecord, Exception], Awaitable[None] | None]
"""Stores a record among the dead letters, and returns when it is stored.

A function, which is called on a thread and may block, or a coroutine function. After any exception it is called again.
"""

RETRY = Backoff(first_s=0.1, longest_s=5.0)
REMEMBERED = 10_000

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
        connect: makes a consumer in the group, such as `KafkaConnection(...).consumer(group)`. Called again after a
            broker error.
        bury: stores a dead letter.
        away: classes of exceptions by which an async function of a route says that a service is away, such as a
            database's, in addition to OSError, KafkaError and RPCError.
        attempts: where to note which records are begun, to find one that kills its process. Without it such a record
            stops its partition.
        trace: makes the context of each delivery, such as a span. By default the workflow continues the trace of the
            record.
    """

    def __init__(  # noqa: PLR0913 - both sides, what lies between them, and its limits
        self,
        client: Client,
        topics: Mapping[str, Decoder],
        routes: Routes,
        connect: Callable[[], KafkaConsumer],
        bury: Bury,
        *,
        limits: Limits | None = None,
        away: Sequence[type[Exception]] = (),
        attempts: Attempts | None = None,
        trace: Trace = recorded_trace,
    ) -> None:
        limits = limits or Limits()
        self.counts = Counts()
        self._delivery = Delivery(client, calls=limits.calls, away=(*AWAY, *away), trace=trace)
        self._topics = topics
        self._routes = routes
        self._connect = connect
        self._bury = bury
        self._max_in_flight = limits.in_flight
        self._isolation = Isolation(attempts, _condemned) if attempts is not None else None
        self._delivered = RecentIds(REMEMBERED)
        self._waiting = WaitingRecords()
        self._offsets = OffsetTracker()
        self._queues = KeyedQueues(self._offsets, self._handle)

    async def run(self, stop: threading.Event | None = None, joined: threading.Event | None = None) -> None:
        """Run until `stop` is set, or by default until SIGTERM or SIGINT; then give the records in flight five seconds.

        `joined` is set when the member gets its first partitions. When cancelled, it stops in the same way.

        Raises UnsuitableClient: the options of the consumer would lose or stall records.
        """
        if stop is None:
            with stopped_by_signals() as signalled:
                await self.run(signalled, joined)
            return
        loop = asyncio.get_running_loop()

        def dispatch(records: Sequence[KafkaRecord]) -> None:
            loop.call_soon_threadsafe(self._queues.put, records)

        topics = sorted(self._topics)
        member = GroupMember(topics, self._connect, self._offsets, dispatch, self._max_in_flight, self._isolation)
        polling = asyncio.ensure_future(asyncio.to_thread(member.run, stop, joined or threading.Event()))
        try:
            await asyncio.shield(polling)
        finally:
            stop.set()  # a cancelled run must not leave its thread behind
            await asyncio.wait([polling])
            await self._queues.stop()
            log.info("the bridge has stopped: %s", self.counts)

    async def _handle(self, record: KafkaRecord) -> None:
        """Retry until the record is delivered or buried: what is raised here concerns a service, not the record."""
        delays = RETRY.jittered()
        with self._waiting.record() as waiting:
            while True:
                try:
                    outcome = await self._deliver(record)
                except Exception as error:  # noqa: BLE001 - `bury` may raise anything, and so may a codec
                    waiting.for_(error, _place(record))
                else:
                    self.counts.add(outcome)
                    return
                await asyncio.sleep(next(delays))

    async def _deliver(self, record: KafkaRecord) -> Outcome:
        try:
            event, route = self._decoded(record)
            if route is None:
                return Outcome.IGNORED
            outcome = await self._delivery.deliver(event, route)
        except (Unreadable, Undeliverable) as refusal:
            log.error("%s is a dead letter: %s", _place(record), refusal)  # noqa: TRY400 - not a fault of this program
            burying = await asyncio.to_thread(self._bury, record, refusal)
            if inspect.isawaitable(burying):
                await burying
            return Outcome.DEAD_LETTER
        if outcome is Outcome.DELIVERED and event.identity in self._delivered:
            outcome = Outcome.DUPLICATE
        self._delivered.add(event.identity)
        return outcome

    def _decoded(self, record: KafkaRecord) -> tuple[IncomingEvent, Route | Choose | None]:
        if record.undecodable is not None:
            raise Unreadable(str(record.undecodable)) from record.undecodable
        try:
            event = check_event(self._topics[record.topic](record))
            return event, self._routes.get(event.type)
        except Unreadable:
            raise
        except Exception as error:
            # A decoder sees only the record, so a retry would raise the same again and hold up the partition for ever.
            raise Unreadable(f"the decoder failed: {described(error)}") from error


def _condemned(record: KafkaRecord, error: Exception) -> KafkaRecord:
    return replace(record, undecodable=record.undecodable or error)


def _place(record: KafkaRecord) -> str:
    return f"{record.topic}/{record.partition} offset {record.offset}"
