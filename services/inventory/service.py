"""The Inventory service: reserves all lines of an order or none, and never more than is on hand."""

from collections.abc import Sequence
from dataclasses import replace

from domain.commands import ReleaseInventory, ReserveInventory, SellInventory
from domain.errors import ImpossibleState
from domain.events import Event, InventoryFailed, InventoryReleased, InventoryReserved
from domain.ids import OrderId, Sku
from domain.order import Order, PricedLine, Reason, Step
from messaging.unit_of_work import StepStatus, UnitsOfWork
from services.inventory.store import InventoryStore, Reservation, ReservationStatus, Stock
from services.journal import Journal, read_journal


class InventoryService:
    def __init__(self, units: UnitsOfWork[InventoryStore, Event]) -> None:
        self._units = units

    def reserve(self, command: ReserveInventory) -> InventoryReserved | InventoryFailed:
        """Reserve every line, or refuse and reserve nothing."""
        order = command.order
        with self._units.begin() as unit:
            found = unit.store.find(order.order_id)
            if found is not None:
                # A repetition, or the tombstone of a release that came first: answer what was decided then.
                return _answer(found, order)
            refusal = _reserve_lines(order, unit.store)
            reservation = Reservation(
                order_id=order.order_id,
                status=ReservationStatus.REFUSED if refusal else ReservationStatus.RESERVED,
                order=order,
                reason=refusal,
            )
            event = _answer(reservation, order)
            unit.store.save(reservation)
            unit.record(event)
            status = StepStatus.REFUSED if refusal else StepStatus.DONE
            unit.tried(order.order_id, Step.RESERVE_INVENTORY, status)
            unit.commit()
        return event

    def sell(self, command: SellInventory) -> None:
        """Count the reserved pieces as sold. It runs after the pivot, so it cannot be refused, and it has no event."""
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            if found is None or found.order is None or found.status is ReservationStatus.RELEASED:
                msg = f"order {command.order_id} has no reservation that could be sold"
                raise ImpossibleState(msg)
            # A repetition finds SOLD and changes nothing.
            if found.status is ReservationStatus.RESERVED:
                for line in _in_lock_order(found.order.lines):
                    unit.store.sell(line.sku, line.quantity)
                unit.store.save(replace(found, status=ReservationStatus.SOLD))
                unit.commit()

    def release(self, command: ReleaseInventory) -> InventoryReleased:
        """Put the pieces back. Before the reservation, this leaves a tombstone that refuses the reservation."""
        with self._units.begin() as unit:
            found = unit.store.find(command.order_id)
            # Sold means that the shipment is scheduled: after the pivot, releasing is a defect and not a refusal,
            # unless the order is undone: a saga sells while it confirms, and a later run may undo it before that.
            if found is not None and found.status is ReservationStatus.SOLD and not command.order_undone:
                msg = f"order {command.order_id} is sold and cannot be released"
                raise ImpossibleState(msg)
            if found is not None and found.status is ReservationStatus.RELEASED:
                return InventoryReleased(order_id=command.order_id, reason=found.reason or command.reason)
            _put_back(found, unit.store)
            # The first reason stays: it says why the order failed, and a later compensation only follows from it.
            reason = (found and found.reason) or command.reason
            event = InventoryReleased(order_id=command.order_id, reason=reason)
            # Saved also if nothing was reserved. Messages of two services have no order between them: without the
            # tombstone, a reservation that arrives later would hold pieces that no compensation releases any more.
            undone = found or Reservation(order_id=command.order_id, status=ReservationStatus.RELEASED)
            unit.store.save(replace(undone, status=ReservationStatus.RELEASED, reason=reason))
            unit.record(event)
            unit.tried(command.order_id, Step.RELEASE_INVENTORY, StepStatus.DONE)
            unit.commit()
        return event

    def restock(self, sku: Sku, name: str, on_hand: int) -> None:
        with self._units.begin() as unit:
            unit.store.restock(sku, name, on_hand)
            unit.commit()

    def stock_of(self, sku: Sku) -> Stock | None:
        with self._units.look() as unit:
            return unit.store.stock_of(sku)

    def find(self, order_id: OrderId) -> Reservation | None:
        with self._units.look() as unit:
            return unit.store.find(order_id)

    def unsold(self, after: OrderId | None, limit: int) -> Sequence[OrderId]:
        """Return orders whose pieces are reserved and not sold, by their ids, beginning after that one."""
        with self._units.look() as unit:
            return unit.store.unsold(after, limit)

    def journal(self, order_id: OrderId) -> Journal:
        return read_journal(self._units, order_id)


def _answer(found: Reservation, order: Order) -> InventoryReserved | InventoryFailed:
    if found.status in {ReservationStatus.RESERVED, ReservationStatus.SOLD}:
        return InventoryReserved(order_id=found.order_id, order=order)
    return InventoryFailed(order_id=found.order_id, reason=found.reason or Reason.TIMED_OUT)


def _reserve_lines(order: Order, store: InventoryStore) -> Reason | None:
    reserved: list[PricedLine] = []
    # A refusal is recorded and committed, so the lines reserved before it are released here, not by a rollback.
    for line in _in_lock_order(order.lines):
        if store.reserve(line.sku, line.quantity):
            reserved.append(line)
            continue
        for earlier in reserved:
            store.release(earlier.sku, earlier.quantity)
        return Reason.OUT_OF_STOCK if store.stock_of(line.sku) else Reason.UNKNOWN_SKU
    return None


def _put_back(found: Reservation | None, store: InventoryStore) -> None:
    if found is None or found.order is None or found.status is ReservationStatus.REFUSED:
        return
    put_back = store.take_back if found.status is ReservationStatus.SOLD else store.release
    for line in _in_lock_order(found.order.lines):
        put_back(line.sku, line.quantity)


def _in_lock_order(lines: Sequence[PricedLine]) -> list[PricedLine]:
    # All orders lock shared SKUs in the same order, which rules out a deadlock.
    return sorted(lines, key=lambda line: line.sku)
