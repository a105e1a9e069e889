"""The records that the audit reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import OrderId
from messaging.ids import EventId
from services.inventory.store import Reservation, Stock
from services.orders.store import OrderRecord
from services.payments.store import Payment
from services.shipping.store import Shipment


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The gateway's balance of one idempotency key, in minor units."""

    captured: int
    refunded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Pieces of one SKU, summed over the reservations."""

    reserved: int
    sold: int


class Books(Protocol):
    """Read access to every service's records, in chunks, so that the audit's memory does not grow with them."""

    def orders(self) -> Iterator[Sequence[OrderRecord]]:
        """Yield all orders, in chunks."""
        ...

    def payments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Payment]: ...

    def reservations(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Reservation]: ...

    def shipments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Shipment]: ...

    def charges(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Sequence[Charge]]: ...

    def orphans(self) -> Iterable[tuple[str, OrderId]]:
        """Yield (service, order id) of records whose order the Order service neither has nor has written off."""
        ...

    def written_off(self) -> Iterator[Sequence[OrderId]]:
        """Yield the orders that do not exist and whose records an operator has written off, in chunks."""
        ...

    def stock(self) -> Iterable[tuple[Stock, Counted]]:
        """Yield each SKU with the sums over its reservations, of the same instant."""
        ...

    def outbox_waiting(self, before: datetime) -> Iterable[tuple[str, OrderId]]:
        """Yield (service, order id) of events that were recorded before `before` and are not published."""
        ...

    def handled_twice(self) -> Iterable[tuple[str, OrderId, EventId]]:
        """Yield (service, order id, message id) of messages that had two effects in one service."""
        ...
