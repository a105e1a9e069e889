"""Concurrent commands on the same order have one effect."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from adapters.sql.stores.shipping import SqlShippingStore
from domain.commands import ChargePayment, RefundPayment, ReserveInventory, ScheduleShipping, WithdrawShipping
from domain.events import InventoryFailed, InventoryReserved, PaymentCompleted, ShippingCancelled, ShippingScheduled
from domain.order import Reason
from messaging.errors import Fault
from messaging.sql.inbox import AlreadyHandled, MessageId
from messaging.sql.unit_of_work import MessageContext, SqlUnits
from runtime.wiring import Databases, Services, audit_of
from services.payments.store import PaymentStatus
from services.shipping.service import ShippingService
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import BOOK, LAMP, SettableClock, an_order

T = TypeVar("T")
THREADS = 6
TRIES = 20


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Start all at the same time. A fault is retried, as Temporal and the consumers do."""
    start = threading.Barrier(len(acts))

    def take_part(act: Callable[[], T]) -> T:
        start.wait(10)
        for _ in range(TRIES):
            try:
                return act()
            except Fault:
                continue
        raise AssertionError("others always came first")

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(take_part, acts))


def test_the_same_order_charged_by_many_is_charged_once(services: Services) -> None:
    order = an_order()

    answers = at_once([lambda: services.payments.charge(ChargePayment(order=order))] * THREADS)

    assert len({answer.type for answer in answers}) == 1
    assert isinstance(answers[0], PaymentCompleted)
    payment = services.payments.find(order.order_id)
    assert payment is not None
    assert (payment.captured, payment.refunded) == (order.total.amount, 0)
    assert len(services.payments.journal(order.order_id).events) == 1
    (book,) = services.gateway.books()
    assert (book.captured, book.refunded) == (order.total.amount, 0)


def test_the_same_order_refunded_by_many_is_refunded_once(services: Services) -> None:
    order = an_order()
    services.payments.charge(ChargePayment(order=order))
    refund = RefundPayment(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)

    at_once([lambda: services.payments.refund(refund)] * THREADS)

    payment = services.payments.find(order.order_id)
    assert payment is not None
    assert (payment.status, payment.refunded) == (PaymentStatus.REFUNDED, order.total.amount)
    (book,) = services.gateway.books()
    assert (book.captured, book.refunded) == (order.total.amount, order.total.amount)
    assert [recorded.event.type for recorded in services.payments.journal(order.order_id).events] == [
        "payment.completed",
        "payment.refunded",
    ]


def test_a_concurrent_charge_and_refund_leave_nothing_captured(services: Services) -> None:
    for _ in range(5):
        order = an_order()
        charge = ChargePayment(order=order)
        refund = RefundPayment(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)

        acts: list[Callable[[], Any]] = [
            partial(services.payments.charge, charge),
            partial(services.payments.refund, refund),
        ]
        at_once(acts * 2)

        payment = services.payments.find(order.order_id)
        assert payment is not None
        assert payment.captured == payment.refunded
        books = [book for book in services.gateway.books() if book.key.startswith(order.order_id)]
        assert [(book.captured, book.refunded) for book in books] == [(payment.captured, payment.refunded)]


def test_more_orders_than_stock_are_never_oversold(services: Services, databases: Databases) -> None:
    services.inventory.restock(BOOK, "Book", 10)
    services.inventory.restock(LAMP, "Lamp", 1_000)
    orders = [an_order(*lines) for lines in [((BOOK, 3), (LAMP, 1)), ((LAMP, 1), (BOOK, 3))] * 4]

    answers = at_once([partial(services.inventory.reserve, ReserveInventory(order=order)) for order in orders])

    assert [type(answer) for answer in answers].count(InventoryReserved) == 3
    refusals = [answer for answer in answers if isinstance(answer, InventoryFailed)]
    assert {answer.reason for answer in refusals} == {Reason.OUT_OF_STOCK}
    books, lamps = services.inventory.stock_of(BOOK), services.inventory.stock_of(LAMP)
    assert books is not None
    assert lamps is not None
    assert (books.on_hand, books.reserved) == (1, 9)
    assert (lamps.on_hand, lamps.reserved) == (997, 3)
    assert not [b for b in audit_of(databases).broken if b.order_id is None]


def test_concurrent_scheduling_and_withdrawing_have_one_winner(services: Services) -> None:
    for _ in range(5):
        order = an_order()
        schedule = ScheduleShipping(order=order)
        withdraw = WithdrawShipping(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)

        acts: list[Callable[[], Any]] = [
            partial(services.shipping.schedule, schedule),
            partial(services.shipping.withdraw, withdraw),
        ]
        scheduled, withdrawn = at_once(acts)

        assert isinstance(scheduled, ShippingScheduled) == isinstance(withdrawn, ShippingScheduled)
        assert isinstance(withdrawn, ShippingCancelled) != isinstance(scheduled, ShippingScheduled)
        assert len(services.shipping.journal(order.order_id).events) == 1


def test_a_message_that_two_members_handle_concurrently_has_one_effect(
    databases: Databases, clock: SettableClock
) -> None:
    units = SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=True)
    bound = ShippingService(units.for_message(MessageContext(MessageId("m-1"))))
    orders = [an_order() for _ in range(THREADS)]

    def handle(number: int) -> bool:
        try:
            bound.schedule(ScheduleShipping(order=orders[number]))
        except AlreadyHandled:
            return False
        return True

    handled = at_once([partial(handle, number) for number in range(THREADS)])

    assert handled.count(True) == 1
    assert len([order for order in orders if bound.find(order.order_id)]) == 1
