from domain.commands import RefundPayment
from domain.events import InventoryFailed
from services.payments.service import PaymentService


def when_inventory_failed_refund_payment(event: InventoryFailed, payments: PaymentService) -> None:
    payments.refund(RefundPayment(order_id=event.order_id, reason=event.reason))
