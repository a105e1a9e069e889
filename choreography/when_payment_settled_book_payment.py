from domain.commands import SettlePayment
from domain.events import PaymentSettled
from services.payments.service import PaymentService


def when_payment_settled_book_payment(event: PaymentSettled, payments: PaymentService) -> None:
    """Book the money of a choreographed order; money that comes too late is refunded.

    The settlement of an order that is not charged yet waits for the charge, in either style. Later, the saga of an
    orchestrated order receives it itself. Only choreographed events have a cause.
    """
    settlement = SettlePayment(order_id=event.order_id)
    if payments.keep(settlement):
        return
    if any(recorded.caused_by is not None for recorded in payments.journal(event.order_id).events):
        payments.settle(settlement)
