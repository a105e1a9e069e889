"""Refuses pix payments that the customer did not make in time, and forgets settlements that wait in vain.

An expiry is not an event, so no policy can react to it; the Payment service sweeps instead.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from domain.commands import AbortPayment
from domain.events import PaymentPending
from domain.ids import OrderId
from domain.order import Reason
from messaging import tracing
from messaging.ids import EventId
from messaging.sql.faults import DATABASE_AWAY
from messaging.sql.inbox import AlreadyHandled, MessageId
from messaging.sql.unit_of_work import MessageContext
from services.payments.gateway import GatewayFault
from services.payments.service import PaymentService

_SWEEP_LIMIT = 1_000


class PixExpiry:
    def __init__(
        self,
        payments_for: Callable[[MessageContext | None], PaymentService],
        every_s: float,
        trace_of: Callable[[OrderId], str | None],
    ) -> None:
        """`payments_for` binds the service to a message, so that the refusal names `payment.pending` as its cause.

        `trace_of` returns the traceparent of an order.
        """
        self._payments_for = payments_for
        self._trace_of = trace_of
        self._every_s = every_s
        self._log = structlog.get_logger(__name__)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(self._every_s):
            try:
                self.sweep()
            except DATABASE_AWAY as fault:
                self._log.warning("expired payments wait for the next sweep", error=str(fault))

    def sweep(self) -> None:
        """Refuse overdue payments. One that faults does not delay the others; the next sweep retries it."""
        payments = self._payments_for(None)
        for payment in payments.expired(_SWEEP_LIMIT):
            try:
                if payment.awaits_order:
                    payments.forget_settlement(payment.order_id)
                else:
                    self._refuse(payments, payment.order_id)
            except GatewayFault as fault:
                self._log.warning("not refused yet", order_id=payment.order_id, error=str(fault))

    def _refuse(self, payments: PaymentService, order_id: OrderId) -> None:
        pending = _pending_event(payments, order_id)
        if pending is not None:
            abort = AbortPayment(order_id=order_id, reason=Reason.PAYMENT_EXPIRED)
            with suppress(AlreadyHandled), tracing.span("pix expired", parent=self._trace_of(order_id)):
                self._payments_for(MessageContext(message_id=MessageId(pending))).abort(abort)


def _pending_event(payments: PaymentService, order_id: OrderId) -> EventId | None:
    """None for an orchestrated order, whose workflow has a timer. Only choreographed events have a cause."""
    for recorded in payments.journal(order_id).events:
        if isinstance(recorded.event, PaymentPending) and recorded.caused_by is not None:
            return recorded.event_id
    return None
