from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from adapters.sql.stores.payments import SqlPaymentStore
from domain.commands import AbortPayment, ChargePayment, RefundPayment, SettlePayment
from domain.events import PaymentCompleted, PaymentFailed, PaymentPending, PaymentRefunded
from domain.order import Order, Reason, Step
from messaging.sql.unit_of_work import SqlUnits
from messaging.unit_of_work import StepStatus
from runtime.wiring import Services, audit_of
from services.payments.gateway import GatewayFault, PaymentGateway
from services.payments.service import PIX_EXPIRY, SETTLEMENT_WAITS, PaymentService
from services.payments.store import PaymentStatus
from services.payments.transitions import charge_key
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import FREE, SettableClock, an_order

TOTAL = 2_500


@pytest.fixture
def payments(services: Services) -> PaymentService:
    return services.payments


def charge(payments: PaymentService, order: Order) -> PaymentCompleted | PaymentPending | PaymentFailed:
    return payments.charge(ChargePayment(order=order))


def settle(payments: PaymentService, order: Order) -> PaymentCompleted | PaymentRefunded | None:
    return payments.settle(SettlePayment(order_id=order.order_id))


def abort(payments: PaymentService, order: Order) -> PaymentCompleted | PaymentPending | PaymentFailed:
    return payments.abort(AbortPayment(order_id=order.order_id, reason=Reason.PAYMENT_EXPIRED))


def refund(payments: PaymentService, order: Order, *, asked_by_operator: bool = False) -> PaymentRefunded:
    return payments.refund(
        RefundPayment(order_id=order.order_id, reason=Reason.OUT_OF_STOCK, asked_by_operator=asked_by_operator)
    )


def money(payments: PaymentService, order: Order) -> tuple[PaymentStatus, int, int]:
    payment = payments.find(order.order_id)
    assert payment is not None
    return payment.status, payment.captured, payment.refunded


def test_charging_twice_is_one_charge(payments: PaymentService) -> None:
    order = an_order()

    first = charge(payments, order)

    assert isinstance(first, PaymentCompleted)
    assert charge(payments, order) == first
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)
    assert len(payments.journal(order.order_id).events) == 1


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_chargeDeclined", Reason.PAYMENT_DECLINED),
        ("tok_insufficientFunds", Reason.INSUFFICIENT_FUNDS),
        ("tok_nobodyKnows", Reason.PAYMENT_DECLINED),
    ],
)
def test_a_card_that_is_declined_is_a_refusal(payments: PaymentService, token: str, reason: Reason) -> None:
    order = an_order(token=token)

    answer = charge(payments, order)

    assert answer == PaymentFailed(order_id=order.order_id, reason=reason)
    assert charge(payments, order) == answer
    assert money(payments, order) == (PaymentStatus.FAILED, 0, 0)


def test_the_gateway_sees_a_key_of_order_and_step(services: Services) -> None:
    order = an_order()
    charge(services.payments, order)

    assert [book.key for book in services.gateway.books()] == [f"{order.order_id}/charge_payment"]


def test_a_faulting_charge_is_counted_and_then_succeeds(payments: PaymentService) -> None:
    order = an_order(token="tok_gatewayFlaky")
    for _ in range(2):
        with pytest.raises(GatewayFault):
            charge(payments, order)
    (retrying,) = payments.journal(order.order_id).steps
    assert (retrying.status, retrying.attempts) == (StepStatus.RETRYING, 2)

    assert isinstance(charge(payments, order), PaymentCompleted)

    (done,) = payments.journal(order.order_id).steps
    assert (done.step, done.status, done.attempts) == (Step.CHARGE_PAYMENT, StepStatus.DONE, 3)
    assert done.last_error is not None


def test_a_retry_finds_the_charge_whose_answer_was_lost(payments: PaymentService) -> None:
    order = an_order(token="tok_chargedThenTimeout")
    with pytest.raises(GatewayFault):
        charge(payments, order)

    assert isinstance(charge(payments, order), PaymentCompleted)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)


def test_an_abort_refunds_the_charge_whose_answer_was_lost(payments: PaymentService) -> None:
    order = an_order(token="tok_chargedThenTimeout")
    with pytest.raises(GatewayFault):
        charge(payments, order)

    assert abort(payments, order) == PaymentFailed(order_id=order.order_id, reason=Reason.PAYMENT_EXPIRED)
    assert money(payments, order) == (PaymentStatus.FAILED, TOTAL, TOTAL)
    assert isinstance(charge(payments, order), PaymentFailed)


@pytest.mark.parametrize(
    "order",
    [
        an_order(price=FREE),
        an_order(price=FREE, token="tok_chargeDeclined"),
        an_order(price=FREE, token="tok_gatewayFlaky"),
        an_order(price=FREE, token="tok_chargedThenTimeout"),
        an_order(price=FREE, pix=True),
    ],
    ids=lambda order: getattr(order.payment, "token", "pix"),
)
def test_an_order_of_total_0_is_paid_without_a_charge(services: Services, order: Order) -> None:
    payments = services.payments
    answer = charge(payments, order)

    assert isinstance(answer, PaymentCompleted)
    assert charge(payments, order) == answer
    assert settle(payments, order) == answer
    assert abort(payments, order) == answer
    assert money(payments, order) == (PaymentStatus.CAPTURED, 0, 0)
    with services.databases.gateway.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM charges")).scalar() == 0


def test_an_undone_order_of_total_0_is_refunded_and_not_paid_again(payments: PaymentService) -> None:
    order = an_order(price=FREE)
    charge(payments, order)

    assert refund(payments, order) == refund(payments, order)
    assert money(payments, order) == (PaymentStatus.VOIDED, 0, 0)
    assert charge(payments, order) == PaymentFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)


def test_refunding_twice_gives_the_money_back_once(payments: PaymentService) -> None:
    order = an_order()
    charge(payments, order)

    assert refund(payments, order) == refund(payments, order)
    assert money(payments, order) == (PaymentStatus.REFUNDED, TOTAL, TOTAL)
    assert len(payments.journal(order.order_id).events) == 2


def test_a_refund_before_the_charge_refuses_it(payments: PaymentService) -> None:
    order = an_order()
    refund(payments, order)

    assert charge(payments, order) == PaymentFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)
    assert money(payments, order) == (PaymentStatus.VOIDED, 0, 0)


def test_a_refund_that_keeps_failing_waits_for_an_operator(payments: PaymentService) -> None:
    order = an_order(token="tok_refundFails")
    charge(payments, order)
    for _ in range(5):
        with pytest.raises(GatewayFault):
            refund(payments, order)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)

    refund(payments, order, asked_by_operator=True)

    assert money(payments, order) == (PaymentStatus.REFUNDED, TOTAL, TOTAL)


def test_pix_waits_for_the_customer_and_is_settled_once(payments: PaymentService, clock: SettableClock) -> None:
    order = an_order(pix=True)
    pending = charge(payments, order)
    assert pending == PaymentPending(order_id=order.order_id, order=order, expires_at=clock() + PIX_EXPIRY)

    assert isinstance(settle(payments, order), PaymentCompleted)
    assert settle(payments, order) == charge(payments, order)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)


def test_unpaid_pix_expires(payments: PaymentService, clock: SettableClock) -> None:
    order = an_order(pix=True)
    charge(payments, order)
    assert payments.expired(10) == []
    clock.pass_time(PIX_EXPIRY + timedelta(seconds=1))
    assert [payment.order_id for payment in payments.expired(10)] == [order.order_id]

    assert abort(payments, order) == PaymentFailed(order_id=order.order_id, reason=Reason.PAYMENT_EXPIRED)
    assert payments.expired(10) == []


def test_pix_that_is_paid_too_late_is_refunded(payments: PaymentService) -> None:
    order = an_order(pix=True)
    charge(payments, order)
    abort(payments, order)

    assert isinstance(settle(payments, order), PaymentRefunded)
    assert money(payments, order) == (PaymentStatus.FAILED, TOTAL, TOTAL)


def test_a_settlement_that_comes_before_the_charge_is_booked_by_it(payments: PaymentService) -> None:
    order = an_order(pix=True)

    assert settle(payments, order) is None
    assert settle(payments, order) is None
    completed = charge(payments, order)

    assert isinstance(completed, PaymentCompleted)
    assert settle(payments, order) == charge(payments, order) == completed
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)
    assert [recorded.event for recorded in payments.journal(order.order_id).events] == [completed]


def test_a_settlement_before_a_charge_by_card_changes_nothing(payments: PaymentService) -> None:
    order = an_order()
    settle(payments, order)

    assert isinstance(charge(payments, order), PaymentCompleted)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)


@pytest.mark.parametrize("undo", [abort, refund])
def test_money_of_an_order_that_is_undone_before_its_charge_goes_back(
    payments: PaymentService, services: Services, undo: Callable[[PaymentService, Order], object]
) -> None:
    order = an_order(pix=True)
    services.gateway.expect(charge_key(order.order_id), order.total)  # a charge whose record was lost
    settle(payments, order)

    undo(payments, order)

    assert isinstance(charge(payments, order), PaymentFailed)
    assert services.gateway.settle(charge_key(order.order_id)) == TOTAL
    (book,) = services.gateway.books()
    assert (book.captured, book.refunded) == (TOTAL, TOTAL)
    assert isinstance(settle(payments, order), PaymentRefunded)
    assert money(payments, order)[1:] == (TOTAL, TOTAL)


def test_a_settlement_whose_order_never_comes_is_forgotten_and_the_order_may_still_come(
    payments: PaymentService, services: Services, clock: SettableClock
) -> None:
    order = an_order(pix=True)
    settle(payments, order)
    assert audit_of(services.databases, clock).ok
    assert payments.expired(10) == []
    clock.pass_time(SETTLEMENT_WAITS + timedelta(seconds=1))
    assert [payment.order_id for payment in payments.expired(10)] == [order.order_id]

    payments.forget_settlement(order.order_id)

    assert payments.find(order.order_id) is None
    assert isinstance(charge(payments, order), PaymentPending)


def test_a_settlement_whose_money_the_gateway_holds_is_not_forgotten_and_the_audit_shows_it(
    payments: PaymentService, services: Services, clock: SettableClock
) -> None:
    order = an_order(pix=True)
    services.gateway.expect(charge_key(order.order_id), order.total)
    settle(payments, order)
    clock.pass_time(SETTLEMENT_WAITS + timedelta(seconds=1))

    payments.forget_settlement(order.order_id)

    assert payments.expired(10) == []
    assert [found.order_id for found in audit_of(services.databases, clock).broken] == [order.order_id]
    assert isinstance(charge(payments, order), PaymentCompleted)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)


class PartlyPaid:
    """A gateway that holds as much as it is told."""

    def __init__(self, gateway: PaymentGateway) -> None:
        self._gateway = gateway
        self.held = 0
        self.charge, self.expect, self.refund = gateway.charge, gateway.expect, gateway.refund

    def settle(self, key: str) -> int:
        return self._gateway.settle(key) if self.held == TOTAL else self.held


@pytest.mark.parametrize("held", [0, TOTAL - 1, TOTAL + 1])
@pytest.mark.parametrize("settled_first", [True, False])
def test_money_that_the_gateway_does_not_hold_in_full_is_not_booked(
    services: Services, clock: SettableClock, held: int, settled_first: bool
) -> None:
    units = SqlUnits(services.databases.payments, ORDER_EVENTS, SqlPaymentStore, clock, publish=True)
    gateway = PartlyPaid(services.gateway)
    payments, order = PaymentService(units, gateway, clock), an_order(pix=True)
    gateway.held = held
    for step in (settle, charge) if settled_first else (charge, settle):
        step(payments, order)
    assert money(payments, order) == (PaymentStatus.PENDING, 0, 0)

    gateway.held = TOTAL

    assert isinstance(settle(payments, order), PaymentCompleted)
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)


def test_a_captured_payment_is_not_aborted(payments: PaymentService) -> None:
    order = an_order()
    completed = charge(payments, order)

    assert abort(payments, order) == completed
    assert money(payments, order) == (PaymentStatus.CAPTURED, TOTAL, 0)
