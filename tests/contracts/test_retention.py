"""Old journal rows of finished orders are deleted; all others are kept."""

from datetime import timedelta

from sqlalchemy import func, select

from domain.commands import PlaceOrder, ReserveInventory, ScheduleShipping
from domain.ids import OrderId
from domain.order import SagaStyle
from messaging.sql.inbox import Inbox, MessageId
from messaging.sql.journal_tables import inbox, steps
from messaging.sql.outbox import Outbox
from runtime.retention import forget_before
from runtime.wiring import Databases, Services
from tests.support.examples import BOOK, SettableClock, a_request, an_order

KEPT = timedelta(days=90)


def publish_everything(databases: Databases) -> None:
    for database in databases.journals:
        outbox = Outbox(database)
        outbox.mark_published([row.seq for row in outbox.unpublished(10_000)])


def forget(databases: Databases, clock: SettableClock) -> dict[str, int]:
    return dict(forget_before(databases, clock() - KEPT))


def shipping_events(services: Services, order_id: OrderId) -> list[str]:
    return [recorded.event.type for recorded in services.shipping.journal(order_id).events]


def test_old_events_and_steps_are_deleted_and_the_order_is_kept(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    old = an_order()
    services.shipping.schedule(ScheduleShipping(order=old))
    publish_everything(databases)
    clock.pass_time(KEPT)
    new = an_order()
    services.shipping.schedule(ScheduleShipping(order=new))
    publish_everything(databases)
    clock.pass_time(timedelta(seconds=1))

    assert forget(databases, clock)["shipping-service"] == 1

    assert (shipping_events(services, old.order_id), shipping_events(services, new.order_id)) == (
        [],
        ["shipping.scheduled"],
    )
    with databases.shipping.reading() as connection:
        assert connection.execute(select(steps.c.key).distinct()).scalars().all() == [new.order_id]
    assert services.shipping.find(old.order_id) is not None
    assert forget(databases, clock)["shipping-service"] == 0


def test_an_event_that_waits_to_be_published_is_kept(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    services.shipping.schedule(ScheduleShipping(order=an_order()))
    clock.pass_time(2 * KEPT)

    assert forget(databases, clock)["shipping-service"] == 0
    assert Outbox(databases.shipping).waiting() == 1


def test_the_events_of_an_unfinished_order_are_kept_in_every_service(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    request = a_request()
    services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    services.shipping.schedule(ScheduleShipping(order=an_order(order_id=request.order_id)))
    publish_everything(databases)
    clock.pass_time(2 * KEPT)

    forget(databases, clock)

    assert shipping_events(services, request.order_id) == ["shipping.scheduled"]


def test_the_events_of_an_order_that_is_not_sold_are_kept(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order = an_order()
    services.inventory.restock(BOOK, "book", 10)
    services.inventory.reserve(ReserveInventory(order=order))
    services.shipping.schedule(ScheduleShipping(order=order))
    publish_everything(databases)
    clock.pass_time(2 * KEPT)

    forget(databases, clock)

    assert shipping_events(services, order.order_id) == ["shipping.scheduled"]


def test_more_old_messages_than_one_batch_are_deleted_and_new_ones_kept(
    databases: Databases, clock: SettableClock
) -> None:
    handled = Inbox(databases.payments, clock)
    with databases.payments.writing() as connection:
        connection.execute(
            inbox.insert(), [{"message_id": f"old-{number}", "handled_at": clock()} for number in range(1_200)]
        )
        connection.commit()
    clock.pass_time(KEPT + timedelta(seconds=1))
    handled.mark(MessageId("new"))

    assert forget(databases, clock)["payment-service"] == 1_200

    with databases.payments.reading() as connection:
        assert connection.execute(select(func.count()).select_from(inbox)).scalar() == 1
    assert handled.handled(MessageId("new"))
