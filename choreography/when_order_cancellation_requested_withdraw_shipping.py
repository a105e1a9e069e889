from domain.commands import WithdrawShipping
from domain.events import OrderCancellationRequested
from services.shipping.service import ShippingService


def when_order_cancellation_requested_withdraw_shipping(
    event: OrderCancellationRequested, shipping: ShippingService
) -> None:
    shipping.withdraw(WithdrawShipping(order_id=event.order_id, reason=event.reason))
