import pytest

from domain.commands import CancelShipping, ScheduleShipping, WithdrawShipping
from domain.events import ShippingCancelled, ShippingFailed, ShippingScheduled
from domain.order import Order, Reason
from messaging.unit_of_work import StepStatus
from runtime.wiring import Services
from services.shipping.service import ShippingService
from services.shipping.store import ShipmentStatus
from tests.support.examples import an_order


@pytest.fixture
def shipping(services: Services) -> ShippingService:
    return services.shipping


def schedule(shipping: ShippingService, order: Order) -> ShippingScheduled | ShippingFailed:
    return shipping.schedule(ScheduleShipping(order=order))


def cancel(shipping: ShippingService, order: Order) -> ShippingCancelled:
    return shipping.cancel(CancelShipping(order_id=order.order_id, reason=Reason.TIMED_OUT))


def withdraw(shipping: ShippingService, order: Order) -> ShippingCancelled | ShippingScheduled:
    return shipping.withdraw(WithdrawShipping(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER))


def test_scheduling_twice_is_one_shipment(shipping: ShippingService) -> None:
    order = an_order()

    assert schedule(shipping, order) == schedule(shipping, order)
    assert len(shipping.journal(order.order_id).events) == 1
    assert [(step.status, step.attempts) for step in shipping.journal(order.order_id).steps] == [(StepStatus.DONE, 1)]


def test_an_address_without_a_carrier_is_refused(shipping: ShippingService) -> None:
    order = an_order(postal_code="00000")

    assert schedule(shipping, order) == ShippingFailed(order_id=order.order_id, reason=Reason.UNDELIVERABLE_ADDRESS)
    assert schedule(shipping, order) == schedule(shipping, order)


def test_a_cancellation_before_the_scheduling_refuses_it(shipping: ShippingService) -> None:
    order = an_order()
    cancel(shipping, order)

    assert schedule(shipping, order) == ShippingFailed(order_id=order.order_id, reason=Reason.TIMED_OUT)


def test_cancelling_twice_is_cancelling_once(shipping: ShippingService) -> None:
    order = an_order()
    schedule(shipping, order)

    assert cancel(shipping, order) == cancel(shipping, order)
    shipment = shipping.find(order.order_id)
    assert shipment is not None
    assert shipment.status is ShipmentStatus.CANCELLED
    assert len(shipping.journal(order.order_id).events) == 2


def test_a_scheduled_shipment_is_not_withdrawn(shipping: ShippingService) -> None:
    order = an_order()
    scheduled = schedule(shipping, order)

    assert withdraw(shipping, order) == scheduled
    shipment = shipping.find(order.order_id)
    assert shipment is not None
    assert shipment.status is ShipmentStatus.SCHEDULED


def test_a_withdrawal_before_the_scheduling_refuses_it(shipping: ShippingService) -> None:
    order = an_order()

    assert withdraw(shipping, order) == ShippingCancelled(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
    assert schedule(shipping, order) == ShippingFailed(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
