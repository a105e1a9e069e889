"""One transaction for a service's change, its inbox row and its event."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from adapters.sql.stores.shipping import SqlShippingStore
from domain.commands import CancelShipping, ScheduleShipping
from domain.events import Event, ShippingCancelled, ShippingFailed
from domain.ids import OrderId, new_order_id
from domain.order import Reason, Step
from messaging.sql.faults import ConcurrentChange
from messaging.sql.inbox import AlreadyHandled, Inbox, KeyIsParked, MessageId
from messaging.sql.outbox import Outbox
from messaging.sql.parked import ParkedMessages
from messaging.sql.unit_of_work import MessageContext, SqlUnit, SqlUnits
from messaging.unit_of_work import StepStatus
from runtime.wiring import Databases
from services.shipping.service import ShippingService
from services.shipping.store import Shipment, ShipmentStatus
from services.vocabulary import ORDER_EVENTS, event_id_of
from tests.support.examples import NOON, SettableClock, a_message, an_order

MESSAGE = MessageId("/twinsaga/order-service b1a6f0b4-0000-4000-8000-000000000001")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


Units = SqlUnits[SqlShippingStore, Event]


@pytest.fixture
def units(databases: Databases, clock: SettableClock) -> Units:
    return SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=True)


def failed(order_id: OrderId) -> ShippingFailed:
    return ShippingFailed(order_id=order_id, reason=Reason.UNDELIVERABLE_ADDRESS)


def cancelled_shipment(order_id: OrderId) -> Shipment:
    return Shipment(order_id=order_id, status=ShipmentStatus.CANCELLED, reason=Reason.TIMED_OUT)


def test_a_unit_left_without_commit_changes_nothing(units: Units, databases: Databases, clock: SettableClock) -> None:
    order_id = new_order_id()
    bound = units.for_message(MessageContext(MESSAGE))

    with suppress(KeyboardInterrupt), bound.begin() as unit:
        unit.store.save(cancelled_shipment(order_id))
        unit.record(failed(order_id))
        unit.tried(order_id, Step.SCHEDULE_SHIPPING, StepStatus.REFUSED)
        raise KeyboardInterrupt

    with units.look() as unit:
        assert unit.store.find(order_id) is None
        assert unit.events_of(order_id) == []
        assert unit.steps_of(order_id) == []
    assert not Inbox(databases.shipping, clock).handled(MESSAGE)
    assert Outbox(databases.shipping).waiting() == 0


def test_a_commit_keeps_state_step_and_event_together(units: Units) -> None:
    order_id = new_order_id()

    with units.begin() as unit:
        unit.store.save(cancelled_shipment(order_id))
        unit.record(failed(order_id))
        unit.tried(order_id, Step.SCHEDULE_SHIPPING, StepStatus.REFUSED)
        unit.commit()

    with units.look() as unit:
        assert unit.store.find(order_id) == cancelled_shipment(order_id)
        (recorded,) = unit.events_of(order_id)
        (step,) = unit.steps_of(order_id)
    assert recorded.event == failed(order_id)
    assert recorded.event_id == event_id_of(order_id, "shipping.failed")
    assert (recorded.service, recorded.at, recorded.caused_by) == ("shipping-service", NOON, None)
    assert (step.step, step.status, step.attempts, step.at) == (
        Step.SCHEDULE_SHIPPING,
        StepStatus.REFUSED,
        1,
        NOON,
    )


def test_an_event_is_recorded_once(units: Units) -> None:
    order_id = new_order_id()
    for _ in range(2):
        with units.begin() as unit:
            unit.record(failed(order_id))
            unit.commit()

    with units.look() as unit:
        assert len(unit.events_of(order_id)) == 1


def test_a_handled_message_is_in_the_inbox_and_named_as_the_cause(
    units: Units, databases: Databases, clock: SettableClock
) -> None:
    shipping = ShippingService(units.for_message(MessageContext(MESSAGE, TRACE)))
    order = an_order()

    shipping.schedule(ScheduleShipping(order=order))

    assert Inbox(databases.shipping, clock).handled(MESSAGE)
    (recorded,) = shipping.journal(order.order_id).events
    assert recorded.caused_by == "b1a6f0b4-0000-4000-8000-000000000001"
    (row,) = Outbox(databases.shipping).unpublished(10)
    assert row.traceparent == TRACE


def test_a_message_that_another_member_has_handled_has_no_second_effect(
    units: Units, databases: Databases, clock: SettableClock
) -> None:
    Inbox(databases.shipping, clock).mark(MESSAGE)
    shipping = ShippingService(units.for_message(MessageContext(MESSAGE)))
    order = an_order()

    with pytest.raises(AlreadyHandled):
        shipping.schedule(ScheduleShipping(order=order))

    assert shipping.find(order.order_id) is None
    assert shipping.journal(order.order_id).events == ()


@pytest.mark.parametrize("open_unit", [SqlUnits.begin, SqlUnits.look], ids=["begin", "look"])
def test_the_first_unit_rejects_a_message_that_was_handled_or_has_to_wait(
    units: Units,
    databases: Databases,
    clock: SettableClock,
    open_unit: Callable[[Units], SqlUnit[SqlShippingStore, Event]],
) -> None:
    inbox, parked = Inbox(databases.shipping, clock), ParkedMessages(databases.shipping)
    first = MessageContext(MessageId("m-9"), check_inbox_for="order-9")
    with open_unit(units.for_message(first)):
        assert first.check_inbox_for is None

    inbox.mark(MESSAGE)
    with (
        pytest.raises(AlreadyHandled) as handled,
        open_unit(units.for_message(MessageContext(MESSAGE, check_inbox_for="order-1"))),
    ):
        pytest.fail("the message was handled")
    parked.park(a_message("m-8", "order-1"))
    late = units.for_message(MessageContext(MessageId("m-7"), check_inbox_for="order-1"))
    with pytest.raises(KeyIsParked) as waits, open_unit(late):
        pytest.fail("the message has to wait")

    with units.begin() as unit:  # the rejected units hold no lock
        unit.commit()
    del handled, waits  # their tracebacks would have kept an unclosed transaction alive


def test_a_commit_without_an_event_leaves_the_inbox_alone(
    units: Units, databases: Databases, clock: SettableClock
) -> None:
    with units.for_message(MessageContext(MESSAGE)).begin() as unit:
        unit.tried(new_order_id(), Step.SCHEDULE_SHIPPING, StepStatus.RETRYING, error="no carrier answers")
        unit.commit()

    assert not Inbox(databases.shipping, clock).handled(MESSAGE)


def test_attempts_add_up_and_the_last_error_is_kept(units: Units) -> None:
    order_id = new_order_id()
    tries = [(StepStatus.RETRYING, "first"), (StepStatus.RETRYING, "second"), (StepStatus.DONE, None)]
    for status, error in tries:
        with units.begin() as unit:
            unit.tried(order_id, Step.SCHEDULE_SHIPPING, status, error=error)
            unit.commit()

    with units.look() as unit:
        (step,) = unit.steps_of(order_id)
    assert (step.status, step.attempts, step.last_error) == (StepStatus.DONE, 3, "second")


def test_the_late_failure_of_an_overtaken_attempt_does_not_reopen_the_step(
    units: Units,
) -> None:
    order_id = new_order_id()
    for status in (StepStatus.DONE, StepStatus.RETRYING):
        with units.begin() as unit:
            unit.tried(order_id, Step.SCHEDULE_SHIPPING, status)
            unit.commit()

    with units.look() as unit:
        (step,) = unit.steps_of(order_id)
    assert (step.status, step.attempts) == (StepStatus.DONE, 2)


def test_steps_and_events_come_in_the_order_of_the_saga(units: Units) -> None:
    order = an_order(postal_code="00000")
    shipping = ShippingService(units)
    shipping.schedule(ScheduleShipping(order=order))
    shipping.cancel(CancelShipping(order_id=order.order_id, reason=Reason.TIMED_OUT))

    journal = shipping.journal(order.order_id)

    assert [step.step for step in journal.steps] == [Step.SCHEDULE_SHIPPING, Step.CANCEL_SHIPPING]
    assert [type(recorded.event) for recorded in journal.events] == [ShippingFailed, ShippingCancelled]


def test_an_event_that_is_not_published_is_recorded_but_not_in_the_outbox(
    databases: Databases, clock: SettableClock
) -> None:
    shipping = ShippingService(SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=False))
    order = an_order()

    shipping.schedule(ScheduleShipping(order=order))

    assert len(shipping.journal(order.order_id).events) == 1
    assert Outbox(databases.shipping).unpublished(10) == []


def test_a_row_of_a_concurrent_transaction_is_never_overwritten(units: Units) -> None:
    # As on PostgreSQL, where two transactions can both find no row and both write one.
    order_id = new_order_id()
    with units.begin() as unit:
        unit.store.save(cancelled_shipment(order_id))
        unit.commit()

    with units.begin() as unit:
        unit.store._rows._exists[order_id] = False
        with pytest.raises(ConcurrentChange):
            unit.store.save(Shipment(order_id=order_id, status=ShipmentStatus.SCHEDULED, tracking_number="TS1"))

    with units.look() as unit:
        assert unit.store.find(order_id) == cancelled_shipment(order_id)
