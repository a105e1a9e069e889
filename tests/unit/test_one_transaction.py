"""A step is one commit: with two, a crash in between would keep its change without its event, or the reverse."""

from collections.abc import Callable

import pytest

from adapters.sql.stores.inventory import SqlInventoryStore
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from domain.commands import (
    CancelShipping,
    ChargePayment,
    RefundPayment,
    ReleaseInventory,
    ReserveInventory,
    ScheduleShipping,
)
from domain.order import Order, Reason
from messaging.sql.unit_of_work import SqlUnits
from runtime.wiring import Databases, Services
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import SettableClock, an_order

WHY = Reason.TIMED_OUT


def counted(databases: Databases, services: Services, clock: SettableClock, commits: list[str]) -> Services:
    """The same services, which note each commit."""

    def note(_: object) -> None:
        commits.append("commit")

    return Services(
        orders=OrderService(
            SqlUnits(databases.orders, ORDER_EVENTS, SqlOrderStore, clock, publish=True, committed=note), clock
        ),
        payments=PaymentService(
            SqlUnits(databases.payments, ORDER_EVENTS, SqlPaymentStore, clock, publish=True, committed=note),
            services.gateway,
            clock,
        ),
        inventory=InventoryService(
            SqlUnits(databases.inventory, ORDER_EVENTS, SqlInventoryStore, clock, publish=True, committed=note)
        ),
        shipping=ShippingService(
            SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=True, committed=note)
        ),
        gateway=services.gateway,
        databases=databases,
    )


STEPS: dict[str, Callable[[Services, Order], object]] = {
    "charge": lambda services, order: services.payments.charge(ChargePayment(order=order)),
    "refund": lambda services, order: services.payments.refund(RefundPayment(order_id=order.order_id, reason=WHY)),
    "release": lambda services, order: services.inventory.release(
        ReleaseInventory(order_id=order.order_id, reason=WHY)
    ),
    "schedule": lambda services, order: services.shipping.schedule(ScheduleShipping(order=order)),
    "cancel_shipping": lambda services, order: services.shipping.cancel(
        CancelShipping(order_id=order.order_id, reason=WHY)
    ),
    "reserve": lambda services, order: services.inventory.reserve(ReserveInventory(order=order)),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_and_its_event_are_one_commit(
    databases: Databases, services: Services, clock: SettableClock, step: str
) -> None:
    order, commits = an_order(), list[str]()
    if step == "reserve":
        for line in order.lines:
            services.inventory.restock(line.sku, "a product", 10)

    STEPS[step](counted(databases, services, clock, commits), order)

    assert len(commits) == 1
