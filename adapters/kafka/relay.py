"""The relay: publishes what a service's event log holds, and marks it only after the broker has acknowledged it.

A crash in between publishes again; the inboxes of the consumers drop the second copy.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from adapters.kafka.away import DATABASE_AWAY
from adapters.kafka.backoff import Backoff
from adapters.kafka.cloudevents import to_message
from adapters.kafka.connection import DELIVERY_TIMEOUT_S, KafkaConnection, give_up
from adapters.kafka.topics import topic_of
from adapters.sql.outbox import Outbox, OutboxRow
from domain.ids import OrderId

_AT_ONCE = 500
_FALLBACK_POLL_S = 0.25
_ACK_SLICE_S = 0.1
_AWAY = Backoff(first_s=0.1, longest_s=2.0)


class NotPublished(Exception):
    """A record was not acknowledged. What this producer still holds must not go out."""


class Relay:
    def __init__(self, outbox: Outbox, connection: KafkaConnection) -> None:
        self._outbox = outbox
        self._connection = connection
        self._log = structlog.get_logger(__name__)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set. One relay of a database is active; others wait for its lock."""
        delays = _AWAY.jittered()
        while not stop.is_set():
            try:
                with self._outbox.relay_lock() as active:
                    if active:
                        delays = _AWAY.jittered()
                        self._relay(stop)
            except (KafkaError, NotPublished, *DATABASE_AWAY) as fault:
                self._log.warning("not published, trying again", error=repr(fault))
            stop.wait(next(delays))

    def _relay(self, stop: threading.Event) -> None:
        producer = self._connection.producer()
        try:
            while not stop.is_set():
                rows = self._outbox.unpublished(_AT_ONCE)
                if rows:
                    self._publish(producer, _first_of_each_order(rows), stop)
                else:
                    self._outbox.wait_for_commit(_FALLBACK_POLL_S)
        finally:
            give_up(producer)

    def _publish(self, producer: KafkaProducer, rows: Sequence[OutboxRow], stop: threading.Event) -> None:
        """Publish rows of different orders together; mark those before the first that failed."""
        acknowledged: list[int] = []
        try:
            sent = []
            for row in rows:
                message = to_message(row.recorded, row.traceparent)
                topic = topic_of(row.recorded.event.type)
                sent.append((row, producer.send(topic, value=message.value, key=message.key, headers=message.headers)))
            deadline = time.monotonic() + DELIVERY_TIMEOUT_S + 1
            for row, future in sent:
                while not future.is_done:
                    if stop.is_set() or time.monotonic() > deadline:
                        raise NotPublished(f"event {row.recorded.event_id} has no acknowledgement")
                    _wait(future)
                future.get(timeout=0)
                acknowledged.append(row.seq)
        finally:
            if acknowledged:
                self._outbox.mark_published(acknowledged)


def _wait(future: FutureRecordMetadata) -> None:
    """Wait a moment, no longer, so that the request to stop is seen. Timing out here does not undo the sending."""
    with suppress(KafkaTimeoutError):
        future.get(timeout=_ACK_SLICE_S)


def _first_of_each_order(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The next event of an order waits until its first one is acknowledged: no failure can then swap them."""
    first: dict[OrderId, OutboxRow] = {}
    for row in rows:
        first.setdefault(row.recorded.event.order_id, row)
    return list(first.values())
