"""The relay: publishes what a service's event log holds, and marks it only after the broker has acknowledged it.

A crash in between publishes again; the inboxes of the consumers drop the second copy. While records wait for their
acknowledgement, others go out.
"""

import threading
from contextlib import suppress

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from adapters.kafka.away import DATABASE_AWAY
from adapters.kafka.cloudevents import to_message
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.in_flight_records import InFlightRecords, NotPublished
from adapters.kafka.topics import topic_of
from adapters.sql.outbox import Outbox
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.producer import close_producer

_AT_ONCE = 500
_FALLBACK_POLL_S = 0.25
_ACKS_EVERY_S = 0.01
_GIVE_WAY_S = 0.004
"""About twice as long as it takes to publish a few records on a broker that answers."""

_AWAY = Backoff(first_s=0.1, longest_s=2.0)


class Relay:
    def __init__(self, outbox: Outbox, connection: KafkaConnection) -> None:
        self._outbox = outbox
        self._connection = connection
        self._active = False
        self._published = threading.Condition()
        self._published_up_to = 0
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

    def give_way(self) -> None:
        """Wait until what this process has recorded by now is published, but a moment at most.

        For whoever would otherwise compute at the same time: both need the interpreter, and the records are waited for.
        """
        recordings = self._outbox.recordings
        with self._published:
            self._published.wait_for(
                lambda: not self._active or self._published_up_to >= recordings, timeout=_GIVE_WAY_S
            )

    def _relay(self, stop: threading.Event) -> None:
        producer, sent, look = self._connection.producer(), InFlightRecords(), True
        self._active = True
        try:
            while not stop.is_set():
                sent.settle()
                if look:
                    self._send(producer, sent)
                if sent.marks_are_due:
                    self._mark(sent)
                look = self._outbox.wait_for_commit(_ACKS_EVERY_S if sent else _FALLBACK_POLL_S) or not sent
        finally:
            self._active = False
            close_producer(producer)
            with suppress(KafkaError, NotPublished):
                sent.settle()
            self._mark(sent)

    def _send(self, producer: KafkaProducer, sent: InFlightRecords) -> None:
        recordings, last = self._outbox.recordings, None
        for row in sent.sendable(self._outbox.unpublished(_AT_ONCE, sent.seqs)):
            message = to_message(row.recorded, row.traceparent)
            topic = topic_of(row.recorded.event.type)
            last = producer.send(topic, value=message.value, key=message.key, headers=message.headers)
            sent.add(row, last)
        if last is None:
            self._note(recordings)
        else:
            last.add_both(lambda _: self._note(recordings))

    def _note(self, recordings: int) -> None:
        with self._published:
            self._published_up_to = max(self._published_up_to, recordings)
            self._published.notify_all()

    def _mark(self, sent: InFlightRecords) -> None:
        if acknowledged := sent.take_acknowledged():
            self._outbox.mark_published(acknowledged)
