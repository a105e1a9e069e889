from domain.commands import ChargePayment
from domain.events import OrderCreated
from services.payments.service import PaymentService


def when_order_created_charge_payment(event: OrderCreated, payments: PaymentService) -> None:
    payments.charge(ChargePayment(order=event.order))
