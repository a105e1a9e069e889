from domain.commands import SettlePayment
from domain.events import PaymentSettled
from services.payments.service import PaymentService


def when_payment_settled_book_payment(event: PaymentSettled, payments: PaymentService) -> None:
    """Book the money of a choreographed order; money that comes too late is refunded.

    The saga of an orchestrated order receives the settlement itself. Only choreographed events have a cause.
    """
    if any(recorded.caused_by is not None for recorded in payments.journal(event.order_id).events):
        payments.settle(SettlePayment(order_id=event.order_id))
