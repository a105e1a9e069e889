"""The state changes of a payment, and the event with which each state answers a charge."""

from dataclasses import replace

from domain.errors import ImpossibleState
from domain.events import PaymentCompleted, PaymentFailed, PaymentPending
from domain.ids import OrderId
from domain.order import Reason, Step
from messaging.unit_of_work import StepStatus
from services.payments.store import Payment, PaymentStatus
from services.sealing import without_token

Charge = PaymentCompleted | PaymentPending | PaymentFailed


def charge_key(order_id: OrderId) -> str:
    # From order and step, so that every retry, in both styles, and the refund reach the same charge.
    return f"{order_id}/{Step.CHARGE_PAYMENT}"


def answer(payment: Payment) -> Charge:
    if payment.status is PaymentStatus.CAPTURED:
        return completed(payment)
    if payment.status is PaymentStatus.PENDING and payment.order and payment.expires_at:
        order = without_token(payment.order)
        return PaymentPending(order_id=payment.order_id, order=order, expires_at=payment.expires_at)
    # Failed, or undone: a tombstone refuses a charge that arrives after its refund.
    return PaymentFailed(order_id=payment.order_id, reason=payment.reason or Reason.TIMED_OUT)


def completed(payment: Payment) -> PaymentCompleted:
    if payment.order is None or payment.charge_id is None:
        raise ImpossibleState(f"payment of order {payment.order_id} is captured without a charge id")
    order = without_token(payment.order)
    return PaymentCompleted(order_id=payment.order_id, order=order, charge_id=payment.charge_id)


def step_status_of(event: Charge) -> StepStatus:
    match event:
        case PaymentCompleted():
            return StepStatus.DONE
        case PaymentPending():
            return StepStatus.WAITING
        case PaymentFailed():
            return StepStatus.REFUSED


def with_refund(payment: Payment, refunded: int) -> Payment:
    # A concurrent refund may have recorded more; keep the larger amount.
    refunded = max(payment.refunded, refunded)
    # The gateway can refund a charge whose answer we never got: what was refunded has been captured before.
    return replace(payment, captured=max(payment.captured, refunded), refunded=refunded)


def status_after_refund(payment: Payment) -> PaymentStatus:
    if payment.status is PaymentStatus.FAILED:
        return PaymentStatus.FAILED
    return PaymentStatus.REFUNDED if payment.refunded else PaymentStatus.VOIDED
