from dataclasses import replace
from datetime import timedelta

import pytest

from messaging.sql.inbox import Inbox, InboxStatus, MessageId, status_of
from messaging.sql.parked import ParkedMessage, ParkedMessages
from runtime.wiring import Databases
from tests.support.examples import NOON, SettableClock, a_message

LATER = NOON + timedelta(seconds=30)


@pytest.fixture
def parked(databases: Databases) -> ParkedMessages:
    return ParkedMessages(databases.payments)


def ids(messages: "list[ParkedMessage] | tuple[ParkedMessage, ...]") -> list[str]:
    return [message.message_id for message in messages]


def test_a_clock_that_was_set_back_delays_no_parked_message(parked: ParkedMessages) -> None:
    parked.park(replace(a_message("m-1"), next_attempt_at=LATER))
    hour_before = NOON - timedelta(hours=1)

    assert ids(list(parked.due(hour_before, 10, longest=timedelta(seconds=30)))) == ["m-1"]
    assert parked.due(NOON, 10, longest=timedelta(seconds=30)) == []


def test_a_message_is_handled_once_it_is_marked(databases: Databases, clock: SettableClock) -> None:
    inbox = Inbox(databases.payments, clock)
    assert not inbox.handled(MessageId("m-1"))

    inbox.mark(MessageId("m-1"))
    inbox.mark(MessageId("m-1"))

    assert inbox.handled(MessageId("m-1"))
    assert not inbox.handled(MessageId("m-2"))


def test_a_parked_message_is_read_back_unchanged(parked: ParkedMessages) -> None:
    parked.park(a_message("m-1"))

    assert parked.due(NOON, 10) == [a_message("m-1")]


def test_parking_twice_is_parking_once(parked: ParkedMessages) -> None:
    parked.park(a_message("m-1"))
    parked.park(replace(a_message("m-1"), attempts=7))

    assert parked.count() == 1
    assert parked.due(NOON, 10) == [a_message("m-1")]


def test_a_message_is_due_at_its_next_attempt(parked: ParkedMessages) -> None:
    parked.park(replace(a_message("m-1"), next_attempt_at=LATER))

    assert parked.due(LATER - timedelta(microseconds=1), 10) == []
    assert ids(list(parked.due(LATER, 10))) == ["m-1"]


def test_due_messages_are_in_order_of_arrival_and_only_the_first_of_each_key(parked: ParkedMessages) -> None:
    for message in (a_message("m-1"), a_message("m-2", "order-2"), a_message("m-3"), a_message("m-4", "order-3")):
        parked.park(message)

    assert ids(list(parked.due(NOON, 10))) == ["m-1", "m-2", "m-4"]
    assert ids(list(parked.due(NOON, 2))) == ["m-1", "m-2"]


def test_a_message_waits_until_the_first_of_its_key_is_removed(parked: ParkedMessages) -> None:
    parked.park(a_message("m-1"))
    parked.park(a_message("m-2"))
    parked.reschedule(MessageId("m-1"), 5, LATER, "still 503")

    assert parked.due(NOON, 10) == []
    (again,) = parked.due(LATER, 10)
    assert (again.message_id, again.attempts, again.last_error) == ("m-1", 5, "still 503")

    parked.remove(MessageId("m-1"))
    assert ids(list(parked.due(NOON, 10))) == ["m-2"]


def test_a_key_is_parked_until_its_last_message_is_removed(databases: Databases, clock: SettableClock) -> None:
    inbox, parked = Inbox(databases.payments, clock), ParkedMessages(databases.payments)

    def status(message_id: str, key: str) -> InboxStatus:
        with databases.payments.reading() as connection:
            single = status_of(connection, MessageId(message_id), key)
        assert [single] == inbox.statuses([(MessageId(message_id), key)])
        return single

    inbox.mark(MessageId("m-3"))
    parked.park(a_message("m-1"))
    parked.park(a_message("m-2"))
    parked.remove(MessageId("m-1"))
    assert status("m-3", "order-1") == InboxStatus(handled=True, key_is_parked=True)
    assert status("m-4", "order-2") == InboxStatus(handled=False, key_is_parked=False)

    parked.remove(MessageId("m-2"))
    assert status("m-3", "order-1") == InboxStatus(handled=True, key_is_parked=False)
    assert parked.count() == 0


def test_a_member_gets_only_messages_of_its_partitions(parked: ParkedMessages) -> None:
    parked.park(a_message("m-1", "order-1", partition=0))
    parked.park(a_message("m-2", "order-2", partition=3))

    assert ids(list(parked.due(NOON, 10, {("orders", 3), ("payments", 0)}))) == ["m-2"]
    assert parked.due(NOON, 10, set()) == []
