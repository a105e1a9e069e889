from domain.commands import ConfirmOrder
from domain.errors import ImpossibleState
from domain.events import OrderCancelled, ShippingScheduled
from services.orders.service import OrderService


def when_shipping_scheduled_confirm_order(event: ShippingScheduled, orders: OrderService) -> None:
    answer = orders.confirm(ConfirmOrder(order_id=event.order_id))
    if isinstance(answer, OrderCancelled):
        # A scheduled shipment excludes an undo: the Shipping service decides which of the two comes first.
        raise ImpossibleState(f"order {event.order_id} is cancelled and cannot be confirmed")
