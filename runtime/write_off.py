"""Writes off the records of an order that does not exist.

A restored backup, or events of another environment, can leave payments, reservations and shipments whose order the
Order service does not have. No saga will undo them, and the audit names them until an operator decides.
"""

from contextlib import suppress

from adapters.clock import utc_now
from adapters.sql.dialects import inserting
from adapters.sql.tables import write_offs
from domain.commands import RefundPayment, ReleaseInventory, WithdrawShipping
from domain.errors import UnknownOrder
from domain.events import ShippingScheduled
from domain.ids import OrderId
from domain.order import Reason
from runtime.errors import CannotRun
from runtime.wiring import Databases, services_over
from services.unit_of_work import Clock

_REASON = Reason.TIMED_OUT


def write_off(databases: Databases, order_id: OrderId, note: str, clock: Clock = utc_now) -> bool:
    """Undo what the services hold for the order, unless its parcel is on its way, and store `note`. Repeatable.

    The tombstones refuse what may still arrive for the order. Its events are not published: no service reacts to them.

    Returns: whether it was undone. Raises CannotRun: the order exists. Fault: call again.
    """
    services = services_over(databases, clock, publish=False)
    with suppress(UnknownOrder):
        services.orders.find(order_id)
        raise CannotRun(f"order {order_id} exists, so its saga decides: cancel it instead")
    shipment = services.shipping.withdraw(WithdrawShipping(order_id=order_id, reason=_REASON))
    undone = not isinstance(shipment, ShippingScheduled)
    if undone:
        services.inventory.release(ReleaseInventory(order_id=order_id, reason=_REASON))
        services.payments.refund(RefundPayment(order_id=order_id, reason=_REASON, asked_by_operator=True))
    # Last: until everything is undone, the audit names the order.
    row = {"order_id": order_id, "note": note, "at": clock()}
    statement = inserting(databases.orders.url.get_backend_name(), write_offs)
    databases.orders.change(statement.on_conflict_do_nothing(index_elements=["order_id"]), row)
    return undone
