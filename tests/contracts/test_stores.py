from datetime import timedelta

import pytest

from adapters.sql.stores.inventory import SqlInventoryStore
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from domain.errors import ImpossibleState
from domain.ids import new_order_id
from domain.order import Reason
from runtime.wiring import Databases
from services.inventory.store import Reservation, ReservationStatus, Stock
from services.payments.store import Payment, PaymentStatus
from services.shipping.store import Shipment, ShipmentStatus
from tests.support.examples import BOOK, LAMP, NOON, an_order


def test_a_payment_is_read_back_as_last_saved(databases: Databases) -> None:
    order = an_order((BOOK, 1), (LAMP, 2), pix=True)
    pending = Payment(
        order_id=order.order_id,
        status=PaymentStatus.PENDING,
        order=order,
        charge_id="ch_1",
        expires_at=NOON,
    )
    captured = Payment(order_id=order.order_id, status=PaymentStatus.CAPTURED, order=order, captured=2**40, refunded=7)
    for payment in (pending, captured):
        with databases.payments.writing() as connection:
            SqlPaymentStore(connection).save(payment)
            connection.commit()
        with databases.payments.reading() as connection:
            assert SqlPaymentStore(connection).find(order.order_id) == payment


def test_expired_payments_are_longest_overdue_first(databases: Databases) -> None:
    def payment(minutes: int, status: PaymentStatus = PaymentStatus.PENDING) -> Payment:
        expires_at = NOON + timedelta(minutes=minutes)
        return Payment(order_id=new_order_id(), status=status, expires_at=expires_at)

    long_ago, now, later, paid = payment(-9), payment(0), payment(1), payment(-5, PaymentStatus.CAPTURED)
    with databases.payments.writing() as connection:
        store = SqlPaymentStore(connection)
        for each in (now, later, paid, long_ago):
            store.save(each)

        assert store.expired(NOON, 10) == [long_ago, now]
        assert store.expired(NOON, 1) == [long_ago]


def test_a_reservation_is_read_back_as_last_saved(databases: Databases) -> None:
    order = an_order((BOOK, 1), (LAMP, 2))
    tombstone = Reservation(order_id=order.order_id, status=ReservationStatus.RELEASED, reason=Reason.TIMED_OUT)
    reserved = Reservation(order_id=order.order_id, status=ReservationStatus.RESERVED, order=order)
    for reservation in (tombstone, reserved):
        with databases.inventory.writing() as connection:
            SqlInventoryStore(connection).save(reservation)
            connection.commit()
        with databases.inventory.reading() as connection:
            assert SqlInventoryStore(connection).find(order.order_id) == reservation


def test_pieces_move_between_on_hand_reserved_and_sold(databases: Databases) -> None:
    with databases.inventory.writing() as connection:
        store = SqlInventoryStore(connection)
        store.restock(BOOK, "Book", 10)
        assert store.reserve(BOOK, 6)
        assert not store.reserve(BOOK, 5)
        assert not store.reserve(LAMP, 1)
        store.release(BOOK, 1)
        store.sell(BOOK, 2)
        store.restock(BOOK, "Hardcover", 7)
        store.take_back(BOOK, 1)

        assert store.stock_of(BOOK) == Stock(sku=BOOK, name="Hardcover", on_hand=8, reserved=3, sold=1, restocked=12)


def test_more_than_is_reserved_is_neither_released_nor_sold(databases: Databases) -> None:
    with databases.inventory.writing() as connection:
        store = SqlInventoryStore(connection)
        store.restock(BOOK, "Book", 10)
        store.reserve(BOOK, 2)

        with pytest.raises(ImpossibleState):
            store.release(BOOK, 3)
        with pytest.raises(ImpossibleState):
            store.sell(BOOK, 3)
        with pytest.raises(ImpossibleState):
            store.take_back(BOOK, 1)


def test_a_shipment_is_read_back_as_last_saved(databases: Databases) -> None:
    order_id = new_order_id()
    scheduled = Shipment(order_id=order_id, status=ShipmentStatus.SCHEDULED, tracking_number="TS1")
    cancelled = Shipment(
        order_id=order_id, status=ShipmentStatus.CANCELLED, tracking_number="TS1", reason=Reason.TIMED_OUT
    )
    for shipment in (scheduled, cancelled):
        with databases.shipping.writing() as connection:
            SqlShippingStore(connection).save(shipment)
            connection.commit()
        with databases.shipping.reading() as connection:
            assert SqlShippingStore(connection).find(order_id) == shipment
