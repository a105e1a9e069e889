"""The audit over real databases: no violations for consistent books, and one for each inconsistency."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from adapters.simulated_gateway import SimulatedGateway
from adapters.sql import tables
from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    PlaceOrder,
    RefundPayment,
    ReserveInventory,
    ScheduleShipping,
    SellInventory,
    WithdrawShipping,
)
from domain.events import OrderCreated, PaymentFailed
from domain.ids import OrderId, new_order_id
from domain.money import Money
from domain.order import Order, Reason, SagaStyle
from messaging.sql import journal_tables
from messaging.sql.database import Database
from messaging.sql.outbox import Outbox
from runtime.errors import CannotRun
from runtime.republish import publish_unfinished_again
from runtime.wiring import Databases, Services, audit_of
from runtime.write_off import write_off
from services.payments.transitions import charge_key
from tests.support.examples import BOOK, FREE, LAMP, PRICE, SettableClock, a_request

Break = Callable[[Databases, OrderId], None]


def placed(services: Services, price: Money = PRICE) -> Order:
    for sku in (BOOK, LAMP):
        services.orders.set_price(sku, price)
        services.inventory.restock(sku, "thing", 100)
    request = a_request((BOOK, 2), (LAMP, 1))
    services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    created = services.orders.create(CreateOrder(order=request))
    assert isinstance(created, OrderCreated)
    return created.order


def confirmed(services: Services, databases: Databases, price: Money = PRICE) -> OrderId:
    order = placed(services, price)
    services.payments.charge(ChargePayment(order=order))
    services.inventory.reserve(ReserveInventory(order=order))
    services.shipping.schedule(ScheduleShipping(order=order))
    services.orders.confirm(ConfirmOrder(order_id=order.order_id))
    services.inventory.sell(SellInventory(order_id=order.order_id))
    publish(databases)
    return order.order_id


def publish(databases: Databases) -> None:
    for database in databases.journals:
        outbox = Outbox(database)
        outbox.mark_published([row.seq for row in outbox.unpublished(100)])


def change(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()


def broken(databases: Databases, clock: SettableClock) -> set[tuple[OrderId | None, str]]:
    return {(violation.order_id, violation.invariant) for violation in audit_of(databases, clock).broken}


def test_consistent_books_violate_no_invariant(services: Services, databases: Databases, clock: SettableClock) -> None:
    for _ in range(3):
        confirmed(services, databases)

    verdict = audit_of(databases, clock)

    assert (verdict.ok, verdict.orders_checked, verdict.orders_pending) == (True, 3, 0)


def test_an_order_of_total_0_needs_no_charge_and_may_have_none(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = confirmed(services, databases, FREE)
    assert audit_of(databases, clock).ok

    SimulatedGateway(databases.gateway).charge(charge_key(order_id), PRICE, "tok_visa")

    assert (order_id, CONFIRMED_CHARGE) in broken(databases, clock)


CONFIRMED_CHARGE = "a confirmed order has one captured charge of its total"
LINES_RESERVED = "a confirmed order has each line reserved"
"""As the order has them: a forged `order.created` may have other lines or prices."""


@pytest.mark.parametrize(
    ("room", "statement", "invariant"),
    [
        ("gateway", "UPDATE charges SET refunded = captured", CONFIRMED_CHARGE),
        ("gateway", "UPDATE charges SET captured = captured + 1", CONFIRMED_CHARGE),
        ("payments", "UPDATE payments SET captured = 0", "the gateway's books agree with ours"),
        ("inventory", "DELETE FROM reservations", LINES_RESERVED),
        ("inventory", "UPDATE reservations SET priced_order = replace(priced_order, 'BRL', 'USD')", LINES_RESERVED),
        ("shipping", "DELETE FROM shipments", "a confirmed order has one shipment"),
        ("orders", "UPDATE orders SET stage = 'cancelled'", "a cancelled order has nothing captured on balance"),
        ("orders", "UPDATE orders SET stage = 'cancelled'", "a cancelled order has no live shipment"),
    ],
)
def test_an_order_that_breaks_an_invariant_is_named(
    services: Services, databases: Databases, clock: SettableClock, room: str, statement: str, invariant: str
) -> None:
    order_id = confirmed(services, databases)
    assert audit_of(databases, clock).ok

    change(getattr(databases, room), statement)

    assert (order_id, invariant) in broken(databases, clock)


@pytest.mark.parametrize(
    ("statement", "invariant"),
    [
        ("UPDATE stock SET on_hand = on_hand + 1", "on hand + reserved + sold changes by restocking only"),
        ("UPDATE stock SET sold = sold - 1, on_hand = on_hand + 1", "stock agrees with the reservations"),
    ],
)
def test_stock_that_does_not_add_up_is_a_violation(
    services: Services, databases: Databases, clock: SettableClock, statement: str, invariant: str
) -> None:
    confirmed(services, databases)

    change(databases.inventory, statement)

    assert broken(databases, clock) == {(None, invariant)}


def test_a_record_of_an_unknown_order_is_a_violation(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = confirmed(services, databases)

    forget_orders(databases)

    found = broken(databases, clock) - {(None, "stock agrees with the reservations")}
    assert found == {(order_id, ORPHAN)}


ORPHAN = "every record belongs to an order"


def forget_orders(databases: Databases) -> None:
    """As a backup of the orders database does that was made before them."""
    with databases.orders.writing() as connection:
        connection.execute(delete(tables.orders))
        connection.commit()


def test_records_of_an_unknown_order_are_undone_and_written_off(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order = placed(services)
    services.payments.charge(ChargePayment(order=order))
    services.inventory.reserve(ReserveInventory(order=order))
    publish(databases)
    forget_orders(databases)
    assert (order.order_id, ORPHAN) in broken(databases, clock)

    assert write_off(databases, order.order_id, "placed on staging", clock)
    assert write_off(databases, order.order_id, "again", clock)

    verdict = audit_of(databases, clock)
    assert (verdict.broken, verdict.orders_written_off) == ([], 1)
    payment = services.payments.find(order.order_id)
    assert payment is not None
    assert payment.captured == payment.refunded == order.total.amount
    assert isinstance(services.payments.charge(ChargePayment(order=order)), PaymentFailed)
    with databases.orders.reading() as connection:
        assert connection.execute(select(tables.write_offs.c.note)).scalars().all() == ["placed on staging"]


def test_tombstones_of_an_unknown_order_are_written_off(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = new_order_id()
    services.shipping.withdraw(WithdrawShipping(order_id=order_id, reason=Reason.TIMED_OUT))
    publish(databases)
    assert broken(databases, clock) == {(order_id, ORPHAN)}

    write_off(databases, order_id, "a cancellation of another environment", clock)

    assert audit_of(databases, clock).ok


def test_what_an_unknown_order_has_shipped_stays_paid_when_it_is_written_off(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = confirmed(services, databases)
    forget_orders(databases)

    assert not write_off(databases, order_id, "restored backup", clock)

    assert audit_of(databases, clock).ok
    payment = services.payments.find(order_id)
    assert payment is not None
    assert (payment.captured > 0, payment.refunded) == (True, 0)


def test_money_of_a_written_off_order_is_a_violation_again(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = placed(services).order_id
    publish(databases)
    forget_orders(databases)
    write_off(databases, order_id, "restored backup", clock)

    change(databases.gateway, "UPDATE charges SET captured = 1")

    assert {found for found, _ in broken(databases, clock)} == {order_id}


def test_an_order_that_exists_is_not_written_off(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order_id = confirmed(services, databases)

    with pytest.raises(CannotRun, match="exists"):
        write_off(databases, order_id, "a mistake", clock)

    assert audit_of(databases, clock).ok


def test_an_event_that_waits_too_long_is_a_violation(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order = placed(services)
    assert audit_of(databases, clock).ok
    clock.pass_time(timedelta(seconds=6))

    assert broken(databases, clock) == {(order.order_id, "no event waits in an outbox")}


def test_a_message_with_two_effects_is_a_violation(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    order = placed(services)
    publish(databases)

    with databases.orders.writing() as connection:
        connection.execute(update(journal_tables.event_log).values(caused_by="m-1"))
        connection.commit()

    assert broken(databases, clock) == {(order.order_id, "no message is handled twice")}


def test_more_records_than_fit_in_a_chunk_are_all_read(
    services: Services, databases: Databases, clock: SettableClock
) -> None:
    row = {"stage": "confirmed", "status": "confirmed", "style": "orchestrated", "fingerprint": "f"}
    confirmed(services, databases)
    with databases.orders.writing() as connection:
        copied = connection.execute(text("SELECT request, priced_order FROM orders")).mappings().one()
        rows = [row | dict(copied) | {"order_id": f"o-{n}", "placed_at": clock()} for n in range(1_203)]
        connection.execute(insert(tables.orders), rows)
        connection.commit()

    assert audit_of(databases, clock).orders_checked == 1_204


def test_only_unfinished_choreographed_orders_are_published_again(services: Services, databases: Databases) -> None:
    done = confirmed(services, databases)
    under_way = placed(services)
    services.payments.charge(ChargePayment(order=under_way))
    unsold = placed(services)
    services.inventory.reserve(ReserveInventory(order=unsold))
    services.orders.confirm(ConfirmOrder(order_id=unsold.order_id))
    undone = placed(services)
    services.payments.refund(RefundPayment(order_id=undone.order_id, reason=Reason.TIMED_OUT))
    publish(databases)

    again = publish_unfinished_again(databases)

    waiting = [row.event for database in databases.journals for row in Outbox(database).unpublished(100)]
    assert len(waiting) == again
    assert {event.key for event in waiting} == {under_way.order_id, unsold.order_id, undone.order_id}
    assert done not in {event.key for event in waiting}
    assert {"order.requested", "order.created", "payment.completed", "inventory.reserved", "order.confirmed"} <= {
        event.type for event in waiting
    }
