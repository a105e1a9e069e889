"""A batch: one transaction for many units. Each unit is undone alone, and all commit together."""

from contextlib import suppress

import pytest

from adapters.sql.stores.shipping import SqlShippingStore
from domain.commands import ScheduleShipping
from domain.events import Event
from domain.ids import OrderId
from domain.order import Order
from messaging.sql.batch import Batch, Batches
from messaging.sql.inbox import AlreadyHandled, Inbox, MessageId
from messaging.sql.outbox import Outbox
from messaging.sql.unit_of_work import MessageContext, SqlUnits
from runtime.wiring import Databases
from services.shipping.service import ShippingService
from services.shipping.store import Shipment, ShipmentStatus
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import SettableClock, an_order


def message(number: int) -> MessageId:
    return MessageId(f"b1a6f0b4-0000-4000-8000-{number:012}")


@pytest.fixture
def units(databases: Databases, clock: SettableClock) -> SqlUnits[SqlShippingStore, Event]:
    return SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=True)


def schedule(units: SqlUnits[SqlShippingStore, Event], order: Order, number: int, batch: Batch) -> None:
    context = MessageContext(message(number), within=batch)
    ShippingService(units.for_message(context)).schedule(ScheduleShipping(order=order))


def scheduled(units: SqlUnits[SqlShippingStore, Event], order_id: OrderId) -> bool:
    with units.look() as unit:
        return unit.store.find(order_id) is not None


def test_a_batch_is_invisible_until_its_end_and_then_visible_as_a_whole(
    units: SqlUnits[SqlShippingStore, Event], databases: Databases, clock: SettableClock
) -> None:
    orders = [an_order() for _ in range(3)]

    with Batches(databases.shipping).open() as batch:
        for number, order in enumerate(orders):
            schedule(units, order, number, batch)
        assert not any(scheduled(units, order.order_id) for order in orders)
        inside = ShippingService(units.for_message(MessageContext(message(9), within=batch)))
        assert inside.find(orders[0].order_id) is not None

    assert all(scheduled(units, order.order_id) for order in orders)
    statuses = Inbox(databases.shipping, clock).statuses([(message(number), "some key") for number in range(4)])
    assert [status.handled for status in statuses] == [True, True, True, False]
    assert Outbox(databases.shipping).waiting() == len(orders)


def test_a_batch_that_raises_is_rolled_back(
    units: SqlUnits[SqlShippingStore, Event], databases: Databases, clock: SettableClock
) -> None:
    order = an_order()

    with suppress(KeyboardInterrupt), Batches(databases.shipping).open() as batch:
        schedule(units, order, 1, batch)
        raise KeyboardInterrupt

    assert not scheduled(units, order.order_id)
    assert not Inbox(databases.shipping, clock).handled(message(1))
    assert Outbox(databases.shipping).waiting() == 0


def test_only_the_uncommitted_unit_of_a_batch_is_undone(
    units: SqlUnits[SqlShippingStore, Event], databases: Databases
) -> None:
    kept, undone = an_order(), an_order()

    with Batches(databases.shipping).open() as batch:
        schedule(units, kept, 1, batch)
        with units.for_message(MessageContext(message(2), within=batch)).begin() as unit:
            unit.store.save(Shipment(order_id=undone.order_id, status=ShipmentStatus.CANCELLED))

    assert scheduled(units, kept.order_id)
    assert not scheduled(units, undone.order_id)


def test_a_message_that_is_twice_in_a_batch_has_one_effect(
    units: SqlUnits[SqlShippingStore, Event], databases: Databases
) -> None:
    first, second = an_order(), an_order()

    with Batches(databases.shipping).open() as batch:
        schedule(units, first, 1, batch)
        with pytest.raises(AlreadyHandled):
            schedule(units, second, 1, batch)

    assert scheduled(units, first.order_id)
    assert not scheduled(units, second.order_id)
