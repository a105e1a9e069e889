"""Charging an order: a card answers at once, a pix payment waits for its settlement or for its expiry."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.events import PaymentCompleted, PaymentFailed, PaymentPending, PaymentRefunded
    from domain.ids import OrderId
    from domain.order import Order, Reason
    from sagas.decision import raise_if_cancelled
    from workflows import steps


class PaymentOfOrder:
    def __init__(self, order_id: OrderId) -> None:
        self._order_id = order_id
        self._charge_answered = False
        self._settlement: PaymentCompleted | PaymentRefunded | None = None

    async def charge(self, order: Order) -> PaymentCompleted | PaymentFailed:
        payment = await steps.charge_payment(order)
        self._charge_answered = True
        raise_if_cancelled()  # or a cancel would have no effect until the customer pays
        while isinstance(payment, PaymentPending):
            try:
                await workflow.wait_condition(
                    lambda: self._settlement is not None,
                    timeout=payment.expires_at - workflow.now(),
                    timeout_summary="the pix payment expires",
                )
            except TimeoutError:
                payment = await steps.abort_payment(self._order_id, Reason.PAYMENT_EXPIRED)
            else:
                if isinstance(self._settlement, PaymentCompleted):
                    return self._settlement
                payment = PaymentFailed(order_id=self._order_id, reason=Reason.PAYMENT_EXPIRED)
        return payment

    async def settled(self) -> None:
        """The customer paid. The Payment service books the money, and refunds it if it comes too late."""
        await workflow.wait_condition(lambda: self._charge_answered)  # earlier there is no payment to book it on
        self._settlement = await steps.settle_payment(self._order_id)

    def stop_waiting(self) -> None:
        """The order is being undone, so a settlement does not wait for the result of the charge."""
        self._charge_answered = True
