"""What the audit reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import EventId, OrderId
from services.inventory.store import Reservation, Stock
from services.orders.store import OrderRecord
from services.payments.store import Payment
from services.shipping.store import Shipment


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the gateway holds under one idempotency key, in minor units."""

    captured: int
    refunded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Pieces of one SKU, summed over the reservations."""

    reserved: int
    sold: int


class Books(Protocol):
    """Read access to every service's records, in chunks, so that the audit needs little memory at any size."""

    def orders(self) -> Iterator[Sequence[OrderRecord]]:
        """All orders, a chunk at a time."""
        ...

    def payments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Payment]: ...

    def reservations(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Reservation]: ...

    def shipments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Shipment]: ...

    def charges(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Sequence[Charge]]: ...

    def strangers(self) -> Iterable[tuple[str, OrderId]]:
        """Records (of which service, of which order) whose order the Order service does not know."""
        ...

    def stock(self) -> Iterable[tuple[Stock, Counted]]:
        """Each SKU with what the reservations of the same instant add up to."""
        ...

    def outbox_waiting(self, before: datetime) -> Iterable[tuple[str, OrderId]]:
        """Events (of which service, of which order) recorded before then that no relay has published."""
        ...

    def handled_twice(self) -> Iterable[tuple[str, OrderId, EventId]]:
        """Messages that had two effects in one service."""
        ...
