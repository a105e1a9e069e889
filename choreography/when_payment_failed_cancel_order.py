from domain.commands import CancelOrder
from domain.events import PaymentFailed
from services.orders.service import OrderService


def when_payment_failed_cancel_order(event: PaymentFailed, orders: OrderService) -> None:
    orders.cancel(CancelOrder(order_id=event.order_id, reason=event.reason))
