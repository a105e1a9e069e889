from domain.commands import CancelOrder
from domain.events import PaymentRefunded
from services.orders.service import OrderService


def when_payment_refunded_cancel_order(event: PaymentRefunded, orders: OrderService) -> None:
    orders.cancel(CancelOrder(order_id=event.order_id, reason=event.reason))
