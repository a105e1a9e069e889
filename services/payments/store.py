"""What the Payment service keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.ids import OrderId
from domain.order import Order, Reason


class PaymentStatus(StrEnum):
    """`voided` is the tombstone: undone before any money came."""

    PENDING = "pending"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """`captured` and `refunded` are minor units. A tombstone knows no order."""

    order_id: OrderId
    status: PaymentStatus
    order: Order | None = None
    charge_id: str | None = None
    captured: int = 0
    refunded: int = 0
    reason: Reason | None = None
    expires_at: datetime | None = None


class PaymentStore(Protocol):
    def find(self, order_id: OrderId) -> Payment | None: ...

    def save(self, payment: Payment) -> None:
        """Add the payment, or replace what is known of it."""
        ...

    def expired(self, now: datetime, limit: int) -> Sequence[Payment]:
        """Pending payments whose time is over, the longest overdue first."""
        ...
