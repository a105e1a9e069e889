"""The Payment service: charges an order once and refunds it once.

It calls the gateway outside of any transaction, because the gateway may be slow. After a crash between the gateway's
answer and our record, the retry uses the same idempotency key and gets the same answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from domain.commands import AbortPayment, ChargePayment, RefundPayment, SettlePayment
from domain.events import Event, PaymentCompleted, PaymentFailed, PaymentRefunded
from domain.ids import OrderId
from domain.order import Card, Order, Reason, Step
from messaging.unit_of_work import Clock, StepStatus, UnitsOfWork
from services.journal import Journal, read_journal
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault, PaymentGateway
from services.payments.store import Payment, PaymentStatus, PaymentStore
from services.payments.transitions import (
    Charge,
    answer,
    charge_key,
    completed,
    status_after_refund,
    step_status_of,
    with_refund,
)
from services.sealing import UNSEALED, Seal, opened_token

PIX_EXPIRY = timedelta(minutes=30)
FREE = Charged(charge_id="free")
"""The answer for an order of total 0, whatever its payment method: there is nothing to ask the gateway for."""

SETTLEMENT_WAITS = timedelta(days=1)
"""For its order's charge. Far longer than a service that has to charge the order is away."""


class PaymentService:
    def __init__(
        self,
        units: UnitsOfWork[PaymentStore, Event],
        gateway: PaymentGateway,
        clock: Clock,
        *,
        pix_expiry: timedelta | None = None,
        seal: Seal = UNSEALED.payment,
    ) -> None:
        """`pix_expiry`: how long a customer may take to pay. Default: PIX_EXPIRY. `seal` opens card tokens."""
        self._units = units
        self._gateway = gateway
        self._clock = clock
        self._pix_expiry = pix_expiry
        self._seal = seal

    def charge(self, command: ChargePayment) -> Charge:
        """Charge the order's total, or ask the customer for it.

        Raises:
            GatewayFault: the charge may have happened; retry the command, or refund.
        """
        order = command.order
        found = self.find(order.order_id)
        if found is not None and not found.awaits_order:
            return answer(found)
        try:
            outcome = self._ask_gateway(order, paid=found is not None)
        except GatewayFault as fault:
            # In a transaction of its own, so that the attempt count survives the failed command.
            self._note(order.order_id, Step.CHARGE_PAYMENT, fault)
            raise
        with self._units.begin() as unit:
            # Read again, now under a lock. A refund or an abort may have come during the call: its record stands, and
            # the gateway returns what this charge took. Or a retry has recorded the same charge, or the customer paid.
            if unit.store.find(order.order_id) == found:
                payment = self._payment(order, outcome)
                event = answer(payment)
                unit.store.save(payment)
                unit.record(event)
                unit.tried(order.order_id, Step.CHARGE_PAYMENT, step_status_of(event))
                unit.commit()
                return event
        return self.charge(command)

    def ask(self, order: Order) -> Charged | AwaitingCustomer | Declined | None:
        """Call the gateway as `charge` does, but record nothing. Return None if the payment is decided already.

        Raises:
            GatewayFault: see `charge`.
        """
        found = self.find(order.order_id)
        if found is not None and not found.awaits_order:
            return None
        return self._ask_gateway(order, paid=found is not None)

    def settle(self, command: SettlePayment) -> PaymentCompleted | PaymentRefunded | None:
        """Record that the customer paid. Money that comes too late is refunded.

        Return None if nothing is booked: the settlement is kept for the order's charge, or the gateway does not hold
        the order's total.
        """
        found = self.find(command.order_id)
        if found is None or found.awaits_order:
            return None if self.keep(command) else self.settle(command)
        if found.status is PaymentStatus.CAPTURED:
            return completed(found)
        key = charge_key(command.order_id)
        # The gateway's books decide how much was paid: the caller's message is only a hint.
        captured = self._gateway.settle(key)
        with self._units.begin() as unit:
            payment = unit.store.find(command.order_id) or found
            if payment.status is PaymentStatus.PENDING:
                if payment.order is None or captured != payment.order.total.amount:
                    return None  # the expiry returns what the gateway holds by then
                payment = replace(payment, status=PaymentStatus.CAPTURED, captured=captured)
                unit.store.save(payment)
                unit.record(completed(payment))
                unit.tried(command.order_id, Step.CHARGE_PAYMENT, StepStatus.DONE)
                unit.commit()
        if payment.status is PaymentStatus.CAPTURED:
            return completed(payment)
        # The payment had failed or was refunded before the money came, so the gateway holds money that no order needs.
        return self.refund(RefundPayment(order_id=command.order_id, reason=payment.reason or Reason.PAYMENT_EXPIRED))

    def keep(self, command: SettlePayment) -> bool:
        """Keep the settlement of an order that is not charged yet, for its charge. Return False if it is charged."""
        # A row of the same table: a charge at the same moment has the same primary key, so one of the two sees the
        # other, whichever comes first.
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            if found is None:
                expires_at = self._clock() + SETTLEMENT_WAITS
                unit.store.save(Payment(order_id=command.order_id, status=PaymentStatus.PENDING, expires_at=expires_at))
                unit.commit()
        return found is None or found.awaits_order

    def forget_settlement(self, order_id: OrderId) -> None:
        """Forget a settlement whose charge never came, unless the gateway holds money for it.

        Raises:
            GatewayFault: call again.
        """
        # A gateway that was never asked for this order holds nothing, and gets the order's charge as any other one. If
        # it holds money, the charge was begun and will be repeated. Until then the audit compares our books with its.
        held = self._gateway.settle(charge_key(order_id))
        with self._units.begin() as unit:
            found = unit.store.find(order_id)
            if found is None or not found.awaits_order:
                return
            if held:
                unit.store.save(replace(found, expires_at=self._clock() + SETTLEMENT_WAITS))
            else:
                unit.store.forget(order_id)
            unit.commit()

    def abort(self, command: AbortPayment) -> Charge:
        """Fail a pending payment, and make the gateway return money that still arrives for it."""
        # The failure is recorded before the refund. A concurrent charge or settlement then either has been recorded
        # first, and stands, or finds the failure. Refunding first would return the money of a payment that stands.
        refused = self._refuse(command)
        if refused.status is not PaymentStatus.FAILED:
            return answer(refused)
        refunded = self._gateway.refund(charge_key(command.order_id), asked_by_operator=False)
        with self._units.begin() as unit:
            payment = unit.store.find(command.order_id) or refused
            event = PaymentFailed(order_id=command.order_id, reason=payment.reason or command.reason)
            unit.store.save(with_refund(payment, refunded))
            unit.record(event)
            unit.commit()
        return event

    def refund(self, command: RefundPayment) -> PaymentRefunded:
        """Refund everything that was charged. Before the charge, this leaves a tombstone that refuses the charge.

        Raises:
            GatewayFault: retry the command.
        """
        # Gateway first, then our record: after a crash in between, the retry repeats the refund, with no second effect.
        # In the other order, the books could show a refund that the customer never got.
        try:
            refunded = self._gateway.refund(charge_key(command.order_id), asked_by_operator=command.asked_by_operator)
        except GatewayFault as fault:
            self._note(command.order_id, Step.REFUND_PAYMENT, fault)
            raise
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            payment = found or Payment(order_id=command.order_id, status=PaymentStatus.PENDING)
            event = PaymentRefunded(order_id=command.order_id, reason=payment.reason or command.reason)
            returned = with_refund(payment, refunded)
            # Saved also without a payment: the tombstone refuses a charge that arrives after this refund.
            settled = replace(returned, status=status_after_refund(returned), reason=event.reason)
            # A charge or settlement may have been recorded since the gateway's answer: refund that as well.
            money_came_meanwhile = settled.captured > settled.refunded
            if settled != found and not money_came_meanwhile:
                unit.store.save(settled)
                unit.record(event)
                unit.tried(command.order_id, Step.REFUND_PAYMENT, StepStatus.DONE)
                unit.commit()
        return self.refund(command) if money_came_meanwhile else event

    def find(self, order_id: OrderId) -> Payment | None:
        with self._units.look() as unit:
            return unit.store.find(order_id)

    def journal(self, order_id: OrderId) -> Journal:
        return read_journal(self._units, order_id)

    def expired(self, limit: int) -> Sequence[Payment]:
        """Return pending payments past their expiry, the longest overdue first."""
        with self._units.look() as unit:
            return unit.store.expired(self._clock(), limit)

    def _refuse(self, command: AbortPayment) -> Payment:
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            if found is not None and found.status is not PaymentStatus.PENDING:
                return found
            payment = found or Payment(order_id=command.order_id, status=PaymentStatus.PENDING)
            refused = replace(payment, status=PaymentStatus.FAILED, reason=command.reason)
            unit.store.save(refused)
            unit.tried(command.order_id, Step.CHARGE_PAYMENT, StepStatus.REFUSED)
            unit.commit()
        return refused

    def _ask_gateway(self, order: Order, *, paid: bool) -> Charged | AwaitingCustomer | Declined:
        """`paid`: the settlement came before."""
        if order.total.amount == 0:
            return FREE
        key = charge_key(order.order_id)
        if isinstance(order.payment, Card):
            token = opened_token(order.order_id, order.payment, self._seal)
            return self._gateway.charge(key, order.total, token)
        asked = self._gateway.expect(key, order.total)
        if paid and isinstance(asked, AwaitingCustomer) and self._gateway.settle(key) == order.total.amount:
            return Charged(charge_id=asked.charge_id)
        return asked

    def _payment(self, order: Order, outcome: Charged | AwaitingCustomer | Declined) -> Payment:
        payment = Payment(order_id=order.order_id, order=order, status=PaymentStatus.PENDING)
        match outcome:
            case Charged(charge_id=charge_id):
                return replace(payment, status=PaymentStatus.CAPTURED, charge_id=charge_id, captured=order.total.amount)
            case AwaitingCustomer(charge_id=charge_id):
                return replace(
                    payment, charge_id=charge_id, expires_at=self._clock() + (self._pix_expiry or PIX_EXPIRY)
                )
            case Declined(reason=reason):
                return replace(payment, status=PaymentStatus.FAILED, reason=reason)

    def _note(self, order_id: OrderId, step: Step, fault: GatewayFault) -> None:
        with self._units.begin() as unit:
            unit.tried(order_id, step, StepStatus.RETRYING, error=str(fault))
            unit.commit()
