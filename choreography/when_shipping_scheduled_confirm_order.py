from domain.commands import ConfirmOrder
from domain.events import ShippingScheduled
from services.orders.service import OrderService


def when_shipping_scheduled_confirm_order(event: ShippingScheduled, orders: OrderService) -> None:
    orders.confirm(ConfirmOrder(order_id=event.order_id))
