"""The records of the Order service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.ids import CustomerId, OrderId, Sku
from domain.money import Money
from domain.order import Order, OrderRequest, OrderStatus, Reason, SagaStyle, Step

PENDING_DEADLINE = timedelta(minutes=45)
"""Longer than a pix payment (30 minutes) and the steps around it."""


class Stage(StrEnum):
    """The progress of an order. A customer sees both `requested` and `created` as `pending`."""

    REQUESTED = "requested"
    CREATED = "created"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Remedy(StrEnum):
    """The request with which an operator continues an order that needs attention."""

    RETRY_COMPENSATION = "retry_compensation"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Why an operator is needed, since when, and what to do.

    `step` is the compensation that ran out of attempts, and `error` its last error. With REPAIR, the saga was lost:
    `step` is the one that is due, and `error` says what became of the saga.
    """

    step: Step
    since: datetime
    error: str
    remedy: Remedy = Remedy.RETRY_COMPENSATION


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """`order` is set once the lines are priced. `reason`: why the order was refused, or is being or was undone."""

    request: OrderRequest
    style: SagaStyle
    fingerprint: str
    stage: Stage
    placed_at: datetime
    order: Order | None = None
    reason: Reason | None = None
    attention: Attention | None = None
    finished_at: datetime | None = None

    @property
    def status(self) -> OrderStatus:
        if self.stage is Stage.CONFIRMED:
            return OrderStatus.CONFIRMED
        if self.stage is Stage.CANCELLED:
            return OrderStatus.CANCELLED
        return OrderStatus.NEEDS_ATTENTION if self.attention else OrderStatus.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """A page of orders, the newest first. `before` is the last place of the preceding page."""

    limit: int
    style: SagaStyle | None = None
    status: OrderStatus | None = None
    customer_id: CustomerId | None = None
    before: tuple[datetime, OrderId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedOrders:
    """A page of unfinished orders, the oldest first. `after` is the last place of the preceding page."""

    style: SagaStyle
    placed_before: datetime
    limit: int
    after: tuple[datetime, OrderId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedCount:
    """How many orders are unfinished. `overdue`: those of them that are pending past their deadline."""

    style: SagaStyle
    status: OrderStatus
    count: int
    oldest_placed_at: datetime
    overdue: int


class OrderStore(Protocol):
    def find(self, order_id: OrderId) -> OrderRecord | None: ...

    def add(self, record: OrderRecord) -> None: ...

    def save(self, record: OrderRecord) -> None: ...

    def page(self, wanted: OrderFilter) -> Sequence[OrderRecord]: ...

    def unfinished(self, wanted: UnfinishedOrders) -> Sequence[OrderRecord]:
        """Return orders that are neither confirmed nor cancelled, the oldest first."""
        ...

    def count_unfinished(self, overdue_before: datetime) -> Sequence[UnfinishedCount]:
        """Count the unfinished orders by style and status; combinations without orders are left out."""
        ...

    def prices_of(self, skus: Sequence[Sku]) -> Mapping[Sku, Money]:
        """Return the prices of the SKUs that are in the catalogue."""
        ...

    def set_price(self, sku: Sku, price: Money) -> None: ...
