from domain.commands import CreateOrder
from domain.events import OrderRequested
from services.orders.service import OrderService


def when_order_requested_create_order(event: OrderRequested, orders: OrderService) -> None:
    orders.create(CreateOrder(order=event.request))
