"""An order as it stands, put together from what the four services say of it."""

from typing import Any, Literal

from pydantic import BaseModel

from api.schemas.products import MoneyView
from services.intake.fields import Instant, StatusName, StyleName


class PaymentView(BaseModel):
    """Minor units. `none`: the Payment service knows nothing of the order."""

    status: Literal["none", "pending", "captured", "failed", "refunded", "voided"]
    captured: int
    refunded: int


class InventoryView(BaseModel):
    status: Literal["none", "reserved", "sold", "refused", "released"]


class ShippingView(BaseModel):
    status: Literal["none", "scheduled", "refused", "cancelled"]
    tracking_number: str | None


class StepView(BaseModel):
    """`pending`: not begun, or a moment ago. `at` is the last attempt; `last_error` is what the last failed one met."""

    name: str
    status: Literal["pending", "running", "done", "refused", "waiting", "retrying"]
    attempts: int
    at: Instant | None
    last_error: str | None = None


class OrderSummary(BaseModel):
    """`total` is there once the lines are priced. `reason`: why it was cancelled, or what an operator has to mend."""

    order_id: str
    style: StyleName
    status: StatusName
    reason: str | None
    total: MoneyView | None
    placed_at: Instant
    finished_at: Instant | None


class OrderView(OrderSummary):
    """`steps`: the five of the saga, begun or not, then the compensations that were begun."""

    payment: PaymentView
    inventory: InventoryView
    shipping: ShippingView
    steps: list[StepView]


class OrderPage(BaseModel):
    """Newest first. `next_cursor` is None on the last page."""

    items: list[OrderSummary]
    next_cursor: str | None


class TimelineEvent(BaseModel):
    """`caused_by` is the event that a policy reacted to; an orchestrated order has none, its workflow decides."""

    event_id: str
    type: str
    service: str
    at: Instant
    caused_by: str | None
    data: dict[str, Any]


class Timeline(BaseModel):
    events: list[TimelineEvent]
