from domain.commands import RefundPayment
from domain.events import InventoryReleased
from services.payments.service import PaymentService


def when_inventory_released_refund_payment(event: InventoryReleased, payments: PaymentService) -> None:
    payments.refund(RefundPayment(order_id=event.order_id, reason=event.reason))
