"""The records of the Inventory service."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.ids import OrderId, Sku
from domain.order import Order, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Counts of pieces. `restocked` is the total that restocking has added, so it equals on_hand + reserved + sold."""

    sku: Sku
    name: str
    on_hand: int
    reserved: int
    sold: int
    restocked: int


class ReservationStatus(StrEnum):
    """`released` without an order is the tombstone: the release came before the reservation."""

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
        """Insert or update."""
        ...

    def unsold(self, after: OrderId | None, limit: int) -> Sequence[OrderId]:
        """Return orders whose pieces are reserved and not sold, in the order of their ids."""
        ...

    def stock_of(self, sku: Sku) -> Stock | None: ...

    def restock(self, sku: Sku, name: str, on_hand: int) -> None:
        """Set the pieces on hand. The difference counts as restocked."""
        ...

    def reserve(self, sku: Sku, quantity: int) -> bool:
        """Move pieces from on hand to reserved. Return False if there are fewer on hand."""
        ...

    def release(self, sku: Sku, quantity: int) -> None:
        """Move pieces from reserved to on hand."""
        ...

    def sell(self, sku: Sku, quantity: int) -> None:
        """Move pieces from reserved to sold."""
        ...

    def take_back(self, sku: Sku, quantity: int) -> None:
        """Move pieces from sold to on hand."""
        ...
