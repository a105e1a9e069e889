"""A message that kills its process is found by the processes that come after it, and becomes a dead letter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from adapters.kafka.isolation import Isolation, KillsItsProcess
from adapters.kafka.message import IncomingMessage
from adapters.sql.attempted import Attempts
from adapters.sql.faults import DatabaseFault
from runtime.wiring import Databases
from tests.support.faulty_databases import locked
from tests.support.service_databases import Urls

KILLER = ("orders", 1, 7)


class Died(Exception):
    """Stands for the end of a process: nothing after it runs."""


@pytest.fixture
def attempts(databases: Databases) -> Attempts:
    return Attempts(databases.payments)


def message(topic: str, partition: int, offset: int) -> IncomingMessage:
    return IncomingMessage(
        topic=topic, partition=partition, offset=offset, timestamp_ms=0, key=b"k", value=b"{}", headers=()
    )


MESSAGES = [message("orders", partition, offset) for partition in range(3) for offset in range(5, 10)]


def place(of: IncomingMessage) -> tuple[str, int, int]:
    return of.topic, of.partition, of.offset


def handle(isolation: Isolation, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
    for portion in isolation.portions(messages):
        for each in portion:
            if place(each) == KILLER and each.error is None:
                raise Died
            yield each


def test_a_process_that_did_not_die_leaves_no_trace(attempts: Attempts) -> None:
    for _ in range(3):
        isolation = Isolation(attempts)

        assert [list(portion) for portion in isolation.portions(MESSAGES)] == [MESSAGES]
        assert attempts.of("orders", 1) is not None

        isolation.leave()
        assert attempts.of("orders", 1) is None


def test_a_message_that_kills_three_processes_is_a_dead_letter_of_the_fourth(attempts: Attempts) -> None:
    handled: set[tuple[str, int, int]] = set()
    for _ in range(3):
        with pytest.raises(Died):
            handled.update(map(place, handle(Isolation(attempts), MESSAGES)))

    fourth = Isolation(attempts)
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
    list(Isolation(attempts).portions(MESSAGES))  # it ends without `leave`, as after a kill

    for _ in range(4):
        again = Isolation(attempts)
        assert [len(portion) for portion in again.portions(MESSAGES)] == [1] * len(MESSAGES)
        assert [each.error for portion in again.portions(MESSAGES) for each in portion] == [None] * len(MESSAGES)


def test_repeating_a_message_after_an_outage_is_no_death(attempts: Attempts, urls: Urls) -> None:
    with pytest.raises(Died):
        list(handle(Isolation(attempts), MESSAGES))
    survivor = Isolation(attempts)

    for _ in range(4):
        seen = next(each for portion in survivor.portions(MESSAGES) for each in portion if place(each) == KILLER)
        assert seen.error is None

    with locked(urls.database_url("payments")), pytest.raises(DatabaseFault):
        next(survivor.portions(MESSAGES))


@pytest.mark.parametrize("end", [Isolation.leave, Isolation.forget])
def test_a_partition_that_comes_back_is_entered_again(attempts: Attempts, end: Callable[[Isolation], object]) -> None:
    isolation = Isolation(attempts)
    list(isolation.portions(MESSAGES))
    end(isolation)
    attempts.end([("orders", 1)])

    list(isolation.portions(MESSAGES))

    assert attempts.of("orders", 1) is not None
