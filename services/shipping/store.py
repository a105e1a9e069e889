"""The records of the Shipping service."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.ids import OrderId
from domain.order import Reason


class ShipmentStatus(StrEnum):
    """`cancelled` without a tracking number is the tombstone: the cancellation came before the scheduling."""

    SCHEDULED = "scheduled"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    order_id: OrderId
    status: ShipmentStatus
    tracking_number: str | None = None
    reason: Reason | None = None


class ShippingStore(Protocol):
    def find(self, order_id: OrderId) -> Shipment | None: ...

    def save(self, shipment: Shipment) -> None:
        """Insert or update."""
        ...
