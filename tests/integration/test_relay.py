"""The relay loses no event and keeps the events of an order in order; the inboxes drop what it sends twice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.producer.future import FutureRecordMetadata

from domain.commands import RequestCancellation
from domain.order import Reason
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.relay import Relay
from messaging.sql.database import Database
from messaging.sql.faults import DatabaseAway
from messaging.sql.outbox import Outbox
from services.orders.store import Stage
from services.vocabulary import ORDER_EVENTS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import Choreography
from tests.support.waiting import eventually


class ForgetfulOutbox(Outbox):
    """The database goes away between the send and the mark, once."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.forgot = False

    def mark_published(self, seqs: Sequence[int]) -> None:
        if not self.forgot:
            self.forgot = True
            raise DatabaseAway("gone between the acknowledgement and the mark")
        super().mark_published(seqs)


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_an_event_that_is_sent_and_not_marked_is_sent_again_and_handled_once(
    choreography: Choreography, broker: Broker
) -> None:
    order_id = choreography.place()
    outbox = ForgetfulOutbox(choreography.databases.orders)
    with running(Relay(outbox, broker.connection, ORDER_EVENTS)):
        twice = broker.topic("orders").await_messages(2)
        eventually(lambda: not outbox.waiting(), "it is marked")
    outbox.close()
    assert {dict(record.headers)["ce_id"] for record in twice} == {dict(twice[0].headers)["ce_id"]}

    choreography.start()

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED
    choreography.await_books_right()


def test_of_two_relays_one_is_active_and_the_other_takes_over(choreography: Choreography, broker: Broker) -> None:
    active, standby = Outbox(choreography.databases.orders), Outbox(choreography.databases.orders)
    with running(Relay(standby, broker.connection, ORDER_EVENTS)):
        with running(Relay(active, broker.connection, ORDER_EVENTS)):
            choreography.place()
            broker.topic("orders").await_messages(1)
        choreography.place()
        eventually(lambda: not standby.waiting(), "the standby publishes")
    assert len(broker.topic("orders").await_messages(2)) == 2
    for outbox in (active, standby):
        outbox.close()


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
def test_events_of_one_order_stay_in_order_while_the_broker_restarts(
    choreography: Choreography, broker: Broker
) -> None:
    outbox = Outbox(choreography.databases.orders)
    broker.stop()
    with running(Relay(outbox, broker.connection, ORDER_EVENTS)):
        orders = [choreography.place() for _ in range(20)]
        for order_id in orders:
            choreography.services.orders.request_cancellation(
                RequestCancellation(order_id=order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
            )
        assert outbox.waiting() == 40
        broker.start()
        eventually(lambda: not outbox.waiting(), "all is published")
    outbox.close()

    by_order: dict[bytes, list[bytes]] = {}
    for record in broker.topic("orders").await_messages(40):
        by_order.setdefault(record.key, []).append(dict(record.headers)["ce_type"])
    assert len(by_order) == 20
    assert {tuple(types) for types in by_order.values()} == {(b"order.requested", b"order.cancellation_requested")}


class SlowAnswers:
    """A producer whose acknowledgements arrive only after `answered` is set, although the broker has the records."""

    def __init__(self, producer: KafkaProducer, answered: threading.Event) -> None:
        self._producer = producer
        self._answered = answered

    def send(self, *args: Any, **options: Any) -> "SlowAnswer":  # noqa: ANN401 - as kafka-python's
        return SlowAnswer(self._producer.send(*args, **options), self._answered)

    def close(self, timeout: float) -> None:
        self._producer.close(timeout=timeout)


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    future: FutureRecordMetadata
    answered: threading.Event

    @property
    def is_done(self) -> bool:
        return self.answered.is_set() and bool(self.future.is_done)

    def get(self, timeout: float) -> object:
        return self.future.get(timeout=timeout)

    def add_both(self, callback: Callable[[object], None]) -> None:
        self.future.add_both(callback)


class SlowlyAnswering(KafkaConnection):
    answered = threading.Event()

    def producer(self) -> Any:  # noqa: ANN401 - as kafka-python's
        return SlowAnswers(super().producer(), self.answered)


def test_during_a_missing_acknowledgement_only_the_next_event_of_that_order_waits(
    choreography: Choreography, broker: Broker
) -> None:
    outbox, connection = Outbox(choreography.databases.orders), SlowlyAnswering(bootstrap=broker.bootstrap)
    topic = broker.topic("orders")
    with running(Relay(outbox, connection, ORDER_EVENTS)):
        first = choreography.place()
        topic.await_messages(1)
        choreography.services.orders.request_cancellation(
            RequestCancellation(order_id=first, reason=Reason.CANCELLED_BY_CUSTOMER)
        )
        second = choreography.place()
        sent = topic.await_messages(2)
        assert sorted(record.key.decode() for record in sent) == sorted([first, second])
        assert outbox.waiting() == 3

        connection.answered.set()
        eventually(lambda: not outbox.waiting(), "all is marked")

    outbox.close()
    assert sorted(record.key.decode() for record in topic.await_messages(3)) == sorted([first, first, second])
