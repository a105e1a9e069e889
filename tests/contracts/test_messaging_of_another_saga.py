"""Messaging serves a saga of two events and two services that have nothing to do with orders.

`tests/support/boat_rental.py` is all that such a saga has to write.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from messaging.events import RecordedEvent
from messaging.kafka.choreographed_service import ServiceTiming, delivery_of
from messaging.kafka.cloudevents import source_of, to_message
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DeadLetter, DeadLetters, dead_letter_in
from messaging.kafka.delivery import Delivery
from messaging.kafka.message import IncomingMessage
from messaging.kafka.origins import Misplaced
from messaging.sql.consuming import ConsumingService
from messaging.sql.inbox import message_id_of
from messaging.sql.retention import Retention
from messaging.unit_of_work import StepStatus
from messaging.vocabulary import UnknownEventType
from tests.support.boat_rental import (
    DESK,
    DOCK,
    RENTALS,
    BoatHandedOver,
    BoatRequested,
    Dock,
    DockIsAway,
    desk_policies,
    dock_policies,
    opened,
    urls_of,
)
from tests.support.examples import NOON, SettableClock
from twinsaga_bridges.backoff import Backoff

TIMING = ServiceTiming(attempts=3, backoff=Backoff(first_s=60.0, longest_s=60.0))
A_MINUTE = timedelta(seconds=61)


class Buried(DeadLetters):
    """Keeps the dead letters instead of sending them."""

    def __init__(self) -> None:
        super().__init__(KafkaConnection(bootstrap="127.0.0.1:1"), DOCK)
        self.letters: list[tuple[IncomingMessage, Exception, int]] = []

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        self.letters.append((message, error, attempts))


@pytest.fixture
def buried() -> Buried:
    return Buried()


@pytest.fixture(params=["sqlite", "postgres"])
def dock(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[ConsumingService[Dock]]:
    with urls_of(request.param, tmp_path, DOCK) as urls:
        service = opened(urls[DOCK], DOCK, Dock, clock)
        yield service
        service.close()


@pytest.fixture
def delivery(dock: ConsumingService[Dock], buried: Buried, clock: SettableClock) -> Delivery:
    return delivery_of(dock, dock_policies(), buried, TIMING, clock)


def new_key() -> str:
    return str(uuid4())


def asked(key: str, offset: int, *, boat: str = "Aurora") -> IncomingMessage:
    return message(BoatRequested(rental=key, boat=boat), DESK, offset)


def message(event: BoatRequested | BoatHandedOver, service: str, offset: int) -> IncomingMessage:
    event_id = RENTALS.event_id(RENTALS.key_of(event), event.type)
    recorded = RecordedEvent(event_id=event_id, event=event, service=service, at=NOON, caused_by=None)
    sent = to_message(RENTALS.write(recorded), None)
    return IncomingMessage(
        topic="desk", partition=0, offset=offset, timestamp_ms=0, key=sent.key, value=sent.value, headers=sent.headers
    )


def offsets(delivery: Delivery, *messages: IncomingMessage) -> list[int]:
    return [each.offset for each in delivery.handle(messages)]


def test_an_event_travels_with_its_key_and_says_what_it_is_about() -> None:
    key = new_key()

    sent = asked(key, 0)

    headers = {name: value.decode() for name, value in sent.headers}
    assert sent.key == key.encode()
    assert (headers["ce_subject"], headers["ce_source"]) == (key, source_of(DESK))
    assert RENTALS.decode(sent.value or b"") == BoatRequested(rental=key, boat="Aurora")


def test_a_step_an_event_and_the_inbox_row_are_one_commit(dock: ConsumingService[Dock], delivery: Delivery) -> None:
    key = new_key()

    assert offsets(delivery, asked(key, 0)) == [0]

    (row,) = dock.outbox.unpublished(10)
    assert (row.event.key, row.event.type) == (key, "boat.handed_over")
    assert row.event.caused_by == RENTALS.event_id(key, "desk.requested")
    with dock.service_for(None).units.look() as unit:
        assert [(step.step, step.status) for step in unit.steps_of(key)] == [("hand over", StepStatus.DONE)]
        assert [recorded.event for recorded in unit.events_of(key)] == [BoatHandedOver(number=key, boat="Aurora")]


def test_messages_of_one_poll_share_a_commit_and_each_is_handled_once(
    dock: ConsumingService[Dock], delivery: Delivery
) -> None:
    keys = [new_key() for _ in range(4)]
    messages = [asked(key, number) for number, key in enumerate(keys)]

    assert offsets(delivery, *messages) == [0, 1, 2, 3]
    assert offsets(delivery, *messages) == [0, 1, 2, 3]

    assert [row.event.key for row in dock.outbox.unpublished(10)] == keys
    assert all(
        dock.inbox.handled(message_id_of(source_of(DESK), RENTALS.event_id(key, "desk.requested"))) for key in keys
    )


def test_a_fault_parks_the_message_and_those_behind_it_of_the_same_key(
    dock: ConsumingService[Dock], delivery: Delivery, clock: SettableClock
) -> None:
    stormy, calm = new_key(), new_key()

    assert offsets(delivery, asked(stormy, 0, boat=Dock.STORMY), asked(calm, 1)) == [0, 1]

    assert dock.parked.count() == 1
    assert [row.event.key for row in dock.outbox.unpublished(10)] == [calm]
    Dock.weather_is_fine.set()
    try:
        clock.pass_time(A_MINUTE)
        delivery.retry_due({("desk", 0)})
    finally:
        Dock.weather_is_fine.clear()
    assert dock.parked.count() == 0
    assert {row.event.key for row in dock.outbox.unpublished(10)} == {calm, stormy}


def test_after_the_last_attempt_a_message_is_a_dead_letter_that_can_be_redriven(
    dock: ConsumingService[Dock], delivery: Delivery, buried: Buried, clock: SettableClock
) -> None:
    key = new_key()
    offsets(delivery, asked(key, 0, boat=Dock.STORMY))

    for _ in range(2):
        clock.pass_time(A_MINUTE)
        delivery.retry_due({("desk", 0)})

    ((letter, error, attempts),) = buried.letters
    assert isinstance(error, DockIsAway)
    assert (letter.key, letter.value, attempts) == (key.encode(), asked(key, 0, boat=Dock.STORMY).value, 3)
    Dock.weather_is_fine.set()
    try:
        assert offsets(delivery, letter) == [0]
    finally:
        Dock.weather_is_fine.clear()
    assert [row.event.key for row in dock.outbox.unpublished(10)] == [key]


@pytest.mark.parametrize("changes", [{"ce_source": b"/twinsaga/somebody"}, {"ce_installation": b"another"}])
def test_what_the_vocabulary_does_not_place_here_is_poison(
    delivery: Delivery, buried: Buried, changes: dict[str, bytes]
) -> None:
    forged = asked(new_key(), 0)
    headers = tuple((dict(forged.headers) | changes).items())

    assert offsets(delivery, replace(forged, headers=headers)) == [0]

    assert [type(error) for _, error, _ in buried.letters] == [Misplaced]


def test_an_event_of_a_later_version_waits_among_the_dead_letters(delivery: Delivery, buried: Buried) -> None:
    newer = asked(new_key(), 0)
    value = (newer.value or b"").replace(b"desk.requested", b"desk.insured")
    headers = tuple((dict(newer.headers) | {"ce_type": b"desk.insured"}).items())

    offsets(delivery, replace(newer, value=value, headers=headers))

    assert [type(error) for _, error, _ in buried.letters] == [UnknownEventType]


def test_the_dead_letters_of_a_service_reach_the_policy_for_them(tmp_path: Path, clock: SettableClock) -> None:
    seen: list[DeadLetter] = []
    original = asked(key := new_key(), 7)
    added = {"topic": "desk", "group": DOCK, "attempts": "3", "error": "DockIsAway", "message": "storm"}
    story = tuple((f"dead_letter_{name}", value.encode()) for name, value in added.items())
    letter = replace(original, topic="desk.dlq", headers=(*original.headers, *story))
    with urls_of("sqlite", tmp_path, DESK) as urls:
        desk = opened(urls[DESK], DESK, lambda units: units, clock)
        policies = desk_policies(on_dead_letter=lambda found, _: seen.append(found))
        assert offsets(delivery_of(desk, policies, Buried(), TIMING, clock), letter) == [7]
        desk.close()

    assert seen == [dead_letter_in(letter)]
    assert (seen[0].key, seen[0].group, seen[0].event_type) == (key, DOCK, "desk.requested")


def test_published_events_can_be_published_again_by_key(dock: ConsumingService[Dock], delivery: Delivery) -> None:
    keys = [new_key(), new_key()]
    offsets(delivery, *(asked(key, number) for number, key in enumerate(keys)))
    dock.outbox.mark_published([row.seq for row in dock.outbox.unpublished(10)])

    assert dock.outbox.publish_again([keys[1]]) == 1

    assert [row.event.key for row in dock.outbox.unpublished(10)] == [keys[1]]


def test_old_events_steps_and_messages_are_forgotten_except_of_unfinished_keys(
    dock: ConsumingService[Dock], delivery: Delivery, clock: SettableClock
) -> None:
    finished, unfinished = new_key(), new_key()
    offsets(delivery, asked(finished, 0), asked(unfinished, 1))
    dock.outbox.mark_published([row.seq for row in dock.outbox.unpublished(10)])

    retention = Retention(dock.service_for(None).units.database, clock() + timedelta(seconds=1))

    assert (retention.forget_events({unfinished}), retention.forget_messages()) == (1, 2)
    with dock.service_for(None).units.look() as unit:
        assert (unit.events_of(finished), unit.steps_of(finished)) == ([], [])
        assert len(unit.events_of(unfinished)) == len(unit.steps_of(unfinished)) == 1


def test_an_event_without_a_publisher_is_refused_when_the_vocabulary_is_made() -> None:
    with pytest.raises(ValueError, match=r"no service publishes boat\.handed_over"):
        replace(RENTALS, publishers={"desk": RENTALS.publishers["desk"]})


def test_ids_of_events_differ_between_vocabularies() -> None:
    other, key = replace(RENTALS, namespace=uuid4()), new_key()

    assert RENTALS.event_id(key, "desk.requested") != other.event_id(key, "desk.requested")
