"""Writes off the records of an order that does not exist.

A restored backup, a forged event, or events of another environment can leave payments, reservations and shipments whose
order the Order service does not have. No saga will undo them. The sweep undoes a few of them at a time, the audit names
the others until an operator decides.
"""

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, select

from adapters.clock import utc_now
from adapters.sql.tables import write_offs
from domain.commands import CancelShipping, RefundPayment, ReleaseInventory, WithdrawShipping
from domain.errors import UnknownOrder
from domain.events import ShippingScheduled
from domain.ids import OrderId
from domain.order import Reason
from messaging.sql.dialects import inserting
from messaging.unit_of_work import Clock
from runtime.errors import CannotRun
from runtime.wiring import Databases, Services, services_over

_REASON = Reason.TIMED_OUT
_UNASKED = "undone by the sweep: the Order service has no such order"
UNASKED_WITHIN, UNASKED_AT_MOST = timedelta(hours=1), 20
"""A forged event makes one such order. Many at once are a restored database, whose orders may all be good."""


def write_off(databases: Databases, order_id: OrderId, note: str, clock: Clock = utc_now) -> bool:
    """Undo what the services hold for the order, unless its parcel is on its way, and store `note`. Repeatable.

    The tombstones refuse what may still arrive for the order. Its events are not published: no service reacts to them.

    Returns: whether it was undone. Raises CannotRun: the order exists. Fault: call again.
    """
    services = _services(databases, order_id, clock)
    shipment = services.shipping.withdraw(WithdrawShipping(order_id=order_id, reason=_REASON))
    undone = not isinstance(shipment, ShippingScheduled)
    if undone:
        services.inventory.release(ReleaseInventory(order_id=order_id, reason=_REASON))
        services.payments.refund(RefundPayment(order_id=order_id, reason=_REASON, asked_by_operator=True))
    _store(databases, order_id, note, clock)
    return undone


def undo_unknown_order(databases: Databases, order_id: OrderId, clock: Clock = utc_now) -> bool:
    """Undo all effects of an event that no order of ours caused, also its shipment: nobody has paid for it.

    Repeatable. Return False, and do nothing, after UNASKED_AT_MOST within UNASKED_WITHIN: an operator must look.

    Raises CannotRun: the order exists. Fault: call again.
    """
    services = _services(databases, order_id, clock)
    if _unasked(databases, clock) >= UNASKED_AT_MOST:
        return False
    services.shipping.cancel(CancelShipping(order_id=order_id, reason=_REASON))
    services.inventory.release(ReleaseInventory(order_id=order_id, reason=_REASON, order_undone=True))
    services.payments.refund(RefundPayment(order_id=order_id, reason=_REASON, asked_by_operator=True))
    _store(databases, order_id, _UNASKED, clock)
    return True


def _services(databases: Databases, order_id: OrderId, clock: Clock) -> Services:
    services = services_over(databases, clock, publish=False)
    with suppress(UnknownOrder):
        services.orders.find(order_id)
        raise CannotRun(f"order {order_id} exists, so its saga decides: cancel it instead")
    return services


def _unasked(databases: Databases, clock: Clock) -> int:
    recent = write_offs.c.note == _UNASKED, write_offs.c.at > clock() - UNASKED_WITHIN
    with databases.orders.reading() as connection:
        return connection.execute(select(func.count()).select_from(write_offs).where(*recent)).scalar_one()


def _store(databases: Databases, order_id: OrderId, note: str, clock: Clock) -> None:
    # Last: until everything is undone, the audit names the order.
    row = {"order_id": order_id, "note": note, "at": clock()}
    statement = inserting(databases.orders.url.get_backend_name(), write_offs)
    databases.orders.change(statement.on_conflict_do_nothing(index_elements=["order_id"]), row)
