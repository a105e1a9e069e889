from temporalio import activity

from domain.commands import AbortPayment, ChargePayment, RefundPayment, SettlePayment
from domain.events import PaymentCompleted, PaymentFailed, PaymentPending, PaymentRefunded
from services.payments.service import PaymentService


class PaymentActivities:
    def __init__(self, payments: PaymentService) -> None:
        self._payments = payments

    @activity.defn(name="charge_payment")
    def charge(self, command: ChargePayment) -> PaymentCompleted | PaymentPending | PaymentFailed:
        return self._payments.charge(command)

    @activity.defn(name="settle_payment")
    def settle(self, command: SettlePayment) -> PaymentCompleted | PaymentRefunded | None:
        return self._payments.settle(command)

    @activity.defn(name="abort_payment")
    def abort(self, command: AbortPayment) -> PaymentCompleted | PaymentPending | PaymentFailed:
        return self._payments.abort(command)

    @activity.defn(name="refund_payment")
    def refund(self, command: RefundPayment) -> PaymentRefunded:
        return self._payments.refund(command)
