"""A message that kills its process is found by the processes that come after it, and becomes a dead letter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.events import OrderConfirmed
from domain.ids import OrderId, new_order_id
from estate.order_mails import OrderMailDelivery, OrderMails
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import to_message
from messaging.kafka.message import IncomingMessage, condemned
from messaging.sql.attempted import Attempts as AttemptsTable
from messaging.sql.faults import DatabaseFault
from runtime.wiring import Databases
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import NOON
from tests.support.faulty_databases import locked
from tests.support.service_databases import Urls
from twinsaga_bridges.kafka.isolation import Attempts, AttemptsFolder, Isolation, KillsItsProcess

KILLER = ("orders", 1, 7)


class Died(Exception):
    """Stands for the end of a process: nothing after it runs."""


@pytest.fixture(params=["database", "folder"])
def attempts(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Attempts:
    return AttemptsFolder(tmp_path / "attempts") if request.param == "folder" else AttemptsTable(databases.payments)


def message(topic: str, partition: int, offset: int) -> IncomingMessage:
    return IncomingMessage(
        topic=topic, partition=partition, offset=offset, timestamp_ms=0, key=b"k", value=b"{}", headers=()
    )


def isolation_over(attempts: Attempts) -> Isolation[IncomingMessage]:
    return Isolation(attempts, condemned)


MESSAGES = [message("orders", partition, offset) for partition in range(3) for offset in range(5, 10)]


def place(of: IncomingMessage) -> tuple[str, int, int]:
    return of.topic, of.partition, of.offset


def handle(isolation: Isolation[IncomingMessage], messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
    for portion in isolation.portions(messages):
        for each in portion:
            if place(each) == KILLER and each.error is None:
                raise Died
            yield each


def test_a_process_that_did_not_die_leaves_no_trace(attempts: Attempts) -> None:
    for _ in range(3):
        isolation = isolation_over(attempts)

        assert [list(portion) for portion in isolation.portions(MESSAGES)] == [MESSAGES]
        assert attempts.of("orders", 1) is not None

        isolation.leave()
        assert attempts.of("orders", 1) is None


def test_a_message_that_kills_three_processes_is_a_dead_letter_of_the_fourth(attempts: Attempts) -> None:
    handled: set[tuple[str, int, int]] = set()
    for _ in range(3):
        with pytest.raises(Died):
            handled.update(map(place, handle(isolation_over(attempts), MESSAGES)))

    fourth = isolation_over(attempts)
    found = list(handle(fourth, MESSAGES))

    (dead,) = [each for each in found if each.error is not None]
    assert isinstance(dead.error, KillsItsProcess)
    assert sorted(map(place, found)) == sorted(map(place, MESSAGES))
    assert replace(dead, error=None) == message(*KILLER)
    # After that it handles messages together again, and the next process finds nothing.
    assert [list(portion) for portion in fourth.portions(MESSAGES[:2])] == [MESSAGES[:2]]
    fourth.leave()
    assert attempts.of("orders", 1) is None


def test_a_death_for_another_reason_costs_no_message(attempts: Attempts) -> None:
    list(isolation_over(attempts).portions(MESSAGES))  # it ends without `leave`, as after a kill

    for _ in range(4):
        again = isolation_over(attempts)
        assert [len(portion) for portion in again.portions(MESSAGES)] == [1] * len(MESSAGES)
        assert [each.error for portion in again.portions(MESSAGES) for each in portion] == [None] * len(MESSAGES)


def test_repeating_a_message_after_an_outage_is_no_death(attempts: Attempts) -> None:
    with pytest.raises(Died):
        list(handle(isolation_over(attempts), MESSAGES))
    survivor = isolation_over(attempts)

    for _ in range(4):
        seen = next(each for portion in survivor.portions(MESSAGES) for each in portion if place(each) == KILLER)
        assert seen.error is None


def test_while_the_database_is_away_nothing_is_handled(databases: Databases, urls: Urls) -> None:
    isolation = isolation_over(AttemptsTable(databases.payments))

    with locked(urls.database_url("payments")), pytest.raises(DatabaseFault):
        next(isolation.portions(MESSAGES))


def test_a_folder_that_cannot_be_used_is_logged_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "attempts").write_text("a file")
    isolation = isolation_over(AttemptsFolder(tmp_path / "attempts"))

    assert [list(portion) for portion in isolation.portions(MESSAGES)] == [MESSAGES]
    isolation.leave()
    assert caplog.text.count("are not isolated") == 1


def test_a_message_that_was_condemned_is_no_mail() -> None:
    class NoMails(OrderMails):
        def order_ended(self, order_id: OrderId) -> None:
            pytest.fail(order_id)

    nothing: Any = None
    event = RecordedEvent(
        event_id=EventId("e"), event=OrderConfirmed(order_id=new_order_id()), service="order", at=NOON, caused_by=None
    )
    sent = to_message(ORDER_EVENTS.write(event), None)
    outcome = replace(message("orders", 0, 1), key=sent.key, value=sent.value, headers=tuple(sent.headers))
    delivery = OrderMailDelivery(NoMails(orders=nothing, estate=nothing, task_outbox=nothing))

    assert len([*delivery.handle([condemned(outcome, KillsItsProcess("twice"))])]) == 1
    with pytest.raises(pytest.fail.Exception):
        [*delivery.handle([outcome])]


@pytest.mark.parametrize("end", [Isolation.leave, Isolation.forget])
def test_a_partition_that_comes_back_is_entered_again(
    attempts: Attempts, end: Callable[[Isolation[IncomingMessage]], object]
) -> None:
    isolation = isolation_over(attempts)
    list(isolation.portions(MESSAGES))
    end(isolation)
    attempts.end([("orders", 1)])

    list(isolation.portions(MESSAGES))

    assert attempts.of("orders", 1) is not None
