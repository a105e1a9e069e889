from temporalio import activity

from domain.commands import CancelOrder, ConfirmOrder, CreateOrder, ShowAttention
from domain.events import OrderCancellationRequested, OrderCancelled, OrderConfirmed, OrderCreated
from services.orders.service import OrderService


class OrderActivities:
    def __init__(self, orders: OrderService) -> None:
        self._orders = orders

    @activity.defn(name="create_order")
    def create(self, command: CreateOrder) -> OrderCreated | OrderCancelled:
        return self._orders.create(command)

    @activity.defn(name="confirm_order")
    def confirm(self, command: ConfirmOrder) -> OrderConfirmed | OrderCancelled:
        return self._orders.confirm(command)

    @activity.defn(name="begin_cancellation")
    def begin_cancellation(self, command: CancelOrder) -> OrderCancellationRequested | OrderConfirmed:
        return self._orders.begin_cancellation(command)

    @activity.defn(name="cancel_order")
    def cancel(self, command: CancelOrder) -> OrderCancelled | OrderConfirmed:
        return self._orders.cancel(command)

    @activity.defn(name="show_attention")
    def show_attention(self, command: ShowAttention) -> None:
        self._orders.show_attention(command)
