"""What the Inventory service keeps."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.ids import OrderId, Sku
from domain.order import Order, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Pieces. `restocked` is the sum of all that restocking ever added: on_hand + reserved + sold equals it."""

    sku: Sku
    name: str
    on_hand: int
    reserved: int
    sold: int
    restocked: int


class ReservationStatus(StrEnum):
    """`released` without an order is the tombstone: undone before it was done."""

    RESERVED = "reserved"
    SOLD = "sold"
    REFUSED = "refused"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    order_id: OrderId
    status: ReservationStatus
    order: Order | None = None
    reason: Reason | None = None


class InventoryStore(Protocol):
    def find(self, order_id: OrderId) -> Reservation | None: ...

    def save(self, reservation: Reservation) -> None:
        """Add the reservation, or replace what is known of it."""
        ...

    def stock_of(self, sku: Sku) -> Stock | None: ...

    def restock(self, sku: Sku, name: str, on_hand: int) -> None:
        """Set what is on hand; what it adds or takes away counts as restocked."""
        ...

    def reserve(self, sku: Sku, quantity: int) -> bool:
        """Move pieces from on hand to reserved, if so many are there."""
        ...

    def release(self, sku: Sku, quantity: int) -> None:
        """Move pieces from reserved to on hand."""
        ...

    def sell(self, sku: Sku, quantity: int) -> None:
        """Move pieces from reserved to sold."""
        ...
