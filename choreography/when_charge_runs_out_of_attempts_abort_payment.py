from domain.commands import AbortPayment
from domain.events import OrderCreated
from domain.order import Reason
from services.payments.service import PaymentService


def when_charge_runs_out_of_attempts_abort_payment(event: OrderCreated, payments: PaymentService) -> None:
    """Refuse the payment and close its key at the gateway, since an earlier attempt may have charged the customer."""
    payments.abort(AbortPayment(order_id=event.order_id, reason=Reason.TIMED_OUT))
