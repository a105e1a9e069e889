from dataclasses import dataclass

from temporalio import activity

from domain.commands import CancelOrder, ConfirmOrder, CreateOrder
from domain.events import OrderCancelled, OrderConfirmed, OrderCreated
from domain.ids import OrderId
from services.orders.service import OrderService


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """`why`: what an operator must fix; None once it is fixed."""

    order_id: OrderId
    why: str | None


class OrderActivities:
    def __init__(self, orders: OrderService) -> None:
        self._orders = orders

    @activity.defn(name="create_order")
    def create(self, command: CreateOrder) -> OrderCreated | OrderCancelled:
        return self._orders.create(command)

    @activity.defn(name="confirm_order")
    def confirm(self, command: ConfirmOrder) -> OrderConfirmed:
        return self._orders.confirm(command)

    @activity.defn(name="cancel_order")
    def cancel(self, command: CancelOrder) -> OrderCancelled | OrderConfirmed:
        return self._orders.cancel(command)

    @activity.defn(name="show_attention")
    def show_attention(self, attention: Attention) -> None:
        self._orders.set_attention(attention.order_id, attention.why)
