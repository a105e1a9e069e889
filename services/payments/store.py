"""The records of the Payment service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.ids import OrderId
from domain.order import Order, Reason


class PaymentStatus(StrEnum):
    """`voided` is the tombstone: refunded before any money was captured."""

    PENDING = "pending"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """`captured` and `refunded` are minor units. The tombstone of a refund that came first has no order.

    A settlement that came before its order is a pending payment without an order. `expires_at` then says when it is
    forgotten, unless the gateway holds its money.
    """

    order_id: OrderId
    status: PaymentStatus
    order: Order | None = None
    charge_id: str | None = None
    captured: int = 0
    refunded: int = 0
    reason: Reason | None = None
    expires_at: datetime | None = None

    @property
    def awaits_order(self) -> bool:
        """The customer has paid, and the order's charge has not asked for the money yet."""
        return self.status is PaymentStatus.PENDING and self.order is None


class PaymentStore(Protocol):
    def find(self, order_id: OrderId) -> Payment | None: ...

    def save(self, payment: Payment) -> None:
        """Insert or update."""
        ...

    def forget(self, order_id: OrderId) -> None: ...

    def expired(self, now: datetime, limit: int) -> Sequence[Payment]:
        """Return pending payments past their expiry, the longest overdue first."""
        ...
