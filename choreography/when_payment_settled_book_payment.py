from domain.commands import SettlePayment
from domain.events import PaymentSettled
from services.payments.service import PaymentService


def when_payment_settled_book_payment(event: PaymentSettled, payments: PaymentService) -> None:
    """Money that comes too late goes back. That of an orchestrated order is for its saga, which hears of it too."""
    if any(recorded.caused_by is not None for recorded in payments.journal(event.order_id).events):
        payments.settle(SettlePayment(order_id=event.order_id))
