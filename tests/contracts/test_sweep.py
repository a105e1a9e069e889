"""The sweep finds what does not move by itself, and the fault of one order costs that order."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import insert, update

from adapters.sql import tables
from adapters.sql.unknown_orders import UnknownOrders
from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    PlaceOrder,
    ReserveInventory,
    ScheduleShipping,
    SellInventory,
)
from domain.events import OrderCreated, PaymentFailed
from domain.ids import OrderId
from domain.order import Order, SagaStyle
from messaging.sql import journal_tables
from messaging.sql.outbox import Outbox
from runtime.wiring import Databases, Services, audit_of, services_over
from runtime.write_off import UNASKED_AT_MOST, UNASKED_WITHIN, undo_unknown_order
from services.inventory.store import ReservationStatus
from services.shipping.store import ShipmentStatus
from tests.support.examples import BOOK, PRICE, SettableClock, a_request, an_order
from tests.support.sweeps import swept, unused_temporal
from tests.support.waiting import eventually

UNSOLD = "a confirmed order is sold"


async def until(look: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(eventually, look, what)


def created(services: Services, style: SagaStyle, order_id: str) -> Order:
    services.orders.set_price(BOOK, PRICE)
    services.inventory.restock(BOOK, "book", 100)
    request = a_request(order_id=OrderId(order_id))
    services.orders.place(PlaceOrder(request=request, style=style, fingerprint="f"))
    answer = services.orders.create(CreateOrder(order=request))
    assert isinstance(answer, OrderCreated)
    return answer.order


def confirmed_unsold(services: Services, style: SagaStyle, order_id: str) -> OrderId:
    order = created(services, style, order_id)
    services.payments.charge(ChargePayment(order=order))
    services.inventory.reserve(ReserveInventory(order=order))
    services.shipping.schedule(ScheduleShipping(order=order))
    services.orders.confirm(ConfirmOrder(order_id=order.order_id))
    return order.order_id


def publish(databases: Databases) -> None:
    for database in databases.journals:
        outbox = Outbox(database)
        outbox.mark_published([row.seq for row in outbox.unpublished(100)])


def waiting(databases: Databases, order_id: str) -> Sequence[str]:
    rows = [row for database in databases.journals for row in Outbox(database).unpublished(100)]
    return [row.event.type for row in rows if row.event.key == order_id]


async def test_an_order_whose_records_cannot_be_read_costs_no_other_silent_order(
    services: Services, databases: Databases
) -> None:
    for order_id in ("1-bad", "2-good"):
        created(services, SagaStyle.CHOREOGRAPHED, order_id)
    publish(databases)
    events = journal_tables.event_log
    with databases.orders.writing() as connection:
        connection.execute(update(events).where(events.c.key == "1-bad").values(event="{"))
        connection.commit()

    async with swept(await unused_temporal(), services):
        await until(lambda: "order.created" in waiting(databases, "2-good"), "the good order is published again")


async def test_a_confirmed_choreographed_order_that_inventory_has_not_sold_is_published_again(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    with databases.inventory.writing() as connection:  # an orphan, which is asked for first
        row = {"order_id": "1-unknown", "status": ReservationStatus.RESERVED}
        connection.execute(insert(tables.reservations).values(row))
        connection.commit()
    lost = confirmed_unsold(services, SagaStyle.CHOREOGRAPHED, "2-lost")
    under_way = created(services, SagaStyle.CHOREOGRAPHED, "3-under-way")
    services.inventory.reserve(ReserveInventory(order=under_way))
    publish(databases)

    assert UNSOLD not in {broken.invariant for broken in audit_of(databases, clock).broken}
    clock.pass_time(timedelta(minutes=2))
    assert [broken.order_id for broken in audit_of(databases, clock).broken if broken.invariant == UNSOLD] == [lost]
    async with swept(await unused_temporal(), services):
        await until(lambda: "shipping.scheduled" in waiting(databases, lost), "the order is published again")


async def test_a_confirmed_order_whose_saga_was_terminated_before_the_sale_is_sold(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    lost = confirmed_unsold(services, SagaStyle.ORCHESTRATED, "1-lost")
    publish(databases)

    def is_sold() -> bool:
        reservation = services.inventory.find(lost)
        return reservation is not None and reservation.status is ReservationStatus.SOLD

    async with swept(await unused_temporal(), services):
        await until(is_sold, "the pieces are sold")
    clock.pass_time(timedelta(minutes=2))
    assert audit_of(databases, clock).ok


def test_unsold_reservations_come_in_pages(services: Services) -> None:
    orders = [created(services, SagaStyle.CHOREOGRAPHED, f"order-{number}") for number in range(5)]
    for order in orders:
        services.inventory.reserve(ReserveInventory(order=order))
    services.inventory.sell(SellInventory(order_id=orders[1].order_id))

    first = services.inventory.unsold(None, 2)
    second = services.inventory.unsold(first[-1], 3)

    assert [first, second] == [["order-0", "order-2"], ["order-3", "order-4"]]


def shipped_unknown(services: Services) -> Order:
    """As after a forged `order.created` of an order that nobody has placed, with all of its consequences."""
    services.inventory.restock(BOOK, "book", 100)
    order = an_order()
    services.payments.charge(ChargePayment(order=order))
    services.inventory.reserve(ReserveInventory(order=order))
    services.shipping.schedule(ScheduleShipping(order=order))
    services.inventory.sell(SellInventory(order_id=order.order_id))
    return order


async def test_what_was_done_for_an_order_that_does_not_exist_is_undone(databases: Databases) -> None:
    services = services_over(databases, publish=True)
    order, known = shipped_unknown(services), confirmed_unsold(services, SagaStyle.CHOREOGRAPHED, "known")
    services.inventory.sell(SellInventory(order_id=known))
    publish(databases)
    assert {broken.order_id for broken in audit_of(databases).broken} == {order.order_id}

    async with swept(await unused_temporal(), services):
        await until(lambda: audit_of(databases).ok, "the audit finds nothing")

    payment, good = services.payments.find(order.order_id), services.payments.find(known)
    assert payment is not None
    assert good is not None
    assert (payment.captured, payment.refunded, good.refunded) == (order.total.amount, order.total.amount, 0)
    shipment = services.shipping.find(order.order_id)
    assert shipment is not None
    assert shipment.status is ShipmentStatus.CANCELLED
    stock = services.inventory.stock_of(BOOK)
    assert stock is not None
    assert (stock.on_hand, stock.reserved, stock.sold) == (100, 0, 2)
    assert isinstance(services.payments.charge(ChargePayment(order=order)), PaymentFailed)


def test_many_orders_that_do_not_exist_are_left_to_an_operator(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    unknown = [shipped_unknown(services).order_id for _ in range(UNASKED_AT_MOST + 1)]

    undone = [undo_unknown_order(databases, order_id, clock) for order_id in unknown]

    assert undone == [True] * UNASKED_AT_MOST + [False]
    last = services.payments.find(unknown[-1])
    assert last is not None
    assert last.refunded == 0
    clock.pass_time(UNASKED_WITHIN)
    assert undo_unknown_order(databases, unknown[-1], clock)


def test_an_event_that_commits_late_is_still_looked_at(databases: Databases, clock: SettableClock) -> None:
    """Its number may be lower than that of an event that was read before."""
    services = services_over(databases, clock, publish=True)
    unknown = UnknownOrders(databases)
    early = shipped_unknown(services).order_id
    events = journal_tables.event_log
    for database in databases.journals:
        with database.writing() as connection:  # one transaction is not committed yet
            connection.execute(update(events).where(events.c.key == early).values(key="not-committed"))
            connection.execute(update(events).values(type="payment.failed"))
            connection.commit()
    seconds = timedelta(seconds=1)

    unknown.look(since=clock.now - seconds, settled_before=clock.now)
    before = unknown.after(None, 10)
    with databases.payments.writing() as connection:
        connection.execute(update(events).values(type="payment.completed", key=early))
        connection.commit()
    unknown.look(since=clock.now - seconds, settled_before=clock.now)
    found = unknown.after(None, 10)

    assert (before, found) == ([], [early])
