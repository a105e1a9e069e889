"""The relay: publishes the outbox of a service, and marks a row as published only after the broker's acknowledgement.

A crash in between publishes the row again; the consumers' inboxes drop the second copy. The relay sends more records
while earlier ones wait for their acknowledgement.
"""

import threading
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from messaging.kafka.cloudevents import to_message
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.in_flight_records import InFlightRecords, NotPublished
from messaging.kafka.message_spans import publishing
from messaging.sql.faults import DATABASE_AWAY
from messaging.sql.outbox import Outbox
from messaging.vocabulary import Vocabulary
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.closing import close_producer

_ROWS_PER_QUERY = 500
_FALLBACK_POLL_S = 0.25
_ACKS_EVERY_S = 0.01
_GIVE_WAY_S = 0.004
"""About twice the time to publish a few records to a healthy broker."""

_OUTAGE_BACKOFF = Backoff(first_s=0.1, longest_s=2.0)


class Relay:
    def __init__(
        self, outbox: Outbox, connection: KafkaConnection, vocabulary: Vocabulary[Any], installation: str = ""
    ) -> None:
        """`installation` names it in every event: see `refuse_misplaced`."""
        self._outbox = outbox
        self._connection = connection
        self._vocabulary = vocabulary
        self._installation = installation
        self._active = False
        self._published = threading.Condition()
        self._published_up_to = 0
        self._log = structlog.get_logger(__name__)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set.

        Only the relay that holds the database's lock is active, since several would reorder the events of one key.
        """
        delays = _OUTAGE_BACKOFF.jittered()
        while not stop.is_set():
            try:
                with self._outbox.relay_lock() as active:
                    if active:
                        delays = _OUTAGE_BACKOFF.jittered()
                        self._relay(stop)
            except (KafkaError, NotPublished, *DATABASE_AWAY) as fault:
                self._log.warning("not published, trying again", error=repr(fault))
            stop.wait(next(delays))

    def give_way(self) -> None:
        """Wait until the events that this process has recorded so far are sent, for at most 4 ms.

        The consumer thread calls this before it polls. Both threads need the interpreter, and sagas wait for this one.
        """
        recordings = self._outbox.recordings
        with self._published:
            self._published.wait_for(
                lambda: not self._active or self._published_up_to >= recordings, timeout=_GIVE_WAY_S
            )

    def _relay(self, stop: threading.Event) -> None:
        producer, sent, may_have_rows = self._connection.producer(), InFlightRecords(), True
        self._active = True
        try:
            while not stop.is_set():
                sent.settle()
                if may_have_rows:
                    self._send(producer, sent)
                if sent.marks_are_due:
                    self._mark(sent)
                wait_s = _ACKS_EVERY_S if sent else _FALLBACK_POLL_S
                # Without a new commit, query again only once nothing is in flight: a query costs processor time.
                may_have_rows = self._outbox.wait_for_commit(wait_s) or not sent
        finally:
            self._active = False
            # First stop the producer: what is not acknowledged by then stays unmarked, and must not be sent any more.
            close_producer(producer)
            with suppress(KafkaError, NotPublished):
                sent.settle()
            self._mark(sent)

    def _send(self, producer: KafkaProducer, sent: InFlightRecords) -> None:
        # Read before the query: its rows may lack an event that is recorded meanwhile, which must not count as sent.
        recordings, last = self._outbox.recordings, None
        for row in sent.sendable(self._outbox.unpublished(_ROWS_PER_QUERY, sent.seqs)):
            span = publishing(row, self._vocabulary)
            message = to_message(row.event, span.traceparent or row.traceparent, self._installation)
            topic = self._vocabulary.topic_of(row.event.type)
            last = producer.send(topic, value=message.value, key=message.key, headers=message.headers)
            last.add_both(span.end)
            sent.add(row, last)
        if last is None:
            self._note_published(recordings)
        else:
            last.add_both(lambda _: self._note_published(recordings))

    def _note_published(self, recordings: int) -> None:
        with self._published:
            self._published_up_to = max(self._published_up_to, recordings)
            self._published.notify_all()

    def _mark(self, sent: InFlightRecords) -> None:
        if acknowledged := sent.take_acknowledged():
            self._outbox.mark_published(acknowledged)
