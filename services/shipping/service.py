"""The Shipping service. Scheduling is the saga's pivot: after it, the order only goes forward."""

from dataclasses import replace
from hashlib import blake2b

from domain.commands import CancelShipping, ScheduleShipping, WithdrawShipping
from domain.events import Event, ShippingCancelled, ShippingFailed, ShippingScheduled
from domain.ids import OrderId
from domain.order import Reason, Step
from messaging.unit_of_work import StepStatus, UnitOfWork, UnitsOfWork
from services.journal import Journal, read_journal
from services.sealing import UNSEALED, Seal, opened_address
from services.shipping.store import Shipment, ShipmentStatus, ShippingStore

UNDELIVERABLE_POSTAL_CODE = "00000"


class ShippingService:
    def __init__(self, units: UnitsOfWork[ShippingStore, Event], seal: Seal = UNSEALED.shipping) -> None:
        """`seal` opens addresses."""
        self._units = units
        self._seal = seal

    def schedule(self, command: ScheduleShipping) -> ShippingScheduled | ShippingFailed:
        """Schedule the shipment, or refuse an address that no carrier delivers to."""
        order = command.order
        with self._units.begin() as unit:
            found = unit.store.find(order.order_id)
            if found is not None:
                # A repetition, or the tombstone of a cancellation that came first: answer what was decided then.
                return _answer(found)
            if opened_address(order, self._seal).postal_code == UNDELIVERABLE_POSTAL_CODE:
                shipment = Shipment(
                    order_id=order.order_id, status=ShipmentStatus.REFUSED, reason=Reason.UNDELIVERABLE_ADDRESS
                )
            else:
                shipment = Shipment(
                    order_id=order.order_id,
                    status=ShipmentStatus.SCHEDULED,
                    tracking_number=_tracking_number(order.order_id),
                )
            event = _answer(shipment)
            unit.store.save(shipment)
            unit.record(event)
            status = StepStatus.DONE if shipment.status is ShipmentStatus.SCHEDULED else StepStatus.REFUSED
            unit.tried(order.order_id, Step.SCHEDULE_SHIPPING, status)
            unit.commit()
        return event

    def cancel(self, command: CancelShipping) -> ShippingCancelled:
        """Cancel the shipment. Before it is scheduled, this leaves a tombstone that refuses the scheduling."""
        with self._units.begin() as unit:
            return _cancel(unit, unit.store.find(command.order_id), command.order_id, command.reason)

    def withdraw(self, command: WithdrawShipping) -> ShippingCancelled | ShippingScheduled:
        """Cancel the shipment unless it is scheduled."""
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            # The race of cancellation and pivot is decided here, by the lock on this row: whichever comes first wins.
            if found is not None and found.status is ShipmentStatus.SCHEDULED and found.tracking_number:
                return ShippingScheduled(order_id=command.order_id, tracking_number=found.tracking_number)
            return _cancel(unit, found, command.order_id, command.reason)

    def find(self, order_id: OrderId) -> Shipment | None:
        with self._units.look() as unit:
            return unit.store.find(order_id)

    def journal(self, order_id: OrderId) -> Journal:
        return read_journal(self._units, order_id)


def _cancel(
    unit: UnitOfWork[ShippingStore, Event], found: Shipment | None, order_id: OrderId, reason: Reason
) -> ShippingCancelled:
    reason = (found and found.reason) or reason
    event = ShippingCancelled(order_id=order_id, reason=reason)
    if found is None or found.status is not ShipmentStatus.CANCELLED:
        # Saved also without a shipment: the tombstone refuses a scheduling that arrives after this cancellation.
        undone = found or Shipment(order_id=order_id, status=ShipmentStatus.CANCELLED)
        unit.store.save(replace(undone, status=ShipmentStatus.CANCELLED, reason=reason))
        unit.record(event)
        unit.tried(order_id, Step.CANCEL_SHIPPING, StepStatus.DONE)
        unit.commit()
    return event


def _answer(found: Shipment) -> ShippingScheduled | ShippingFailed:
    if found.status is ShipmentStatus.SCHEDULED and found.tracking_number:
        return ShippingScheduled(order_id=found.order_id, tracking_number=found.tracking_number)
    return ShippingFailed(order_id=found.order_id, reason=found.reason or Reason.TIMED_OUT)


def _tracking_number(order_id: OrderId) -> str:
    # Derived from the order, so that a repeated step names the same shipment.
    return f"TS{blake2b(order_id.encode(), digest_size=6).hexdigest().upper()}"
