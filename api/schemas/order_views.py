"""An order: its status, its steps, and what each of the four services holds of it."""

from typing import Any, Literal

from pydantic import BaseModel

from api.schemas.products import MoneyView
from services.intake.fields import Instant, StatusName, StyleName


class PaymentView(BaseModel):
    """Amounts in minor units. `none`: the Payment service has no record of the order."""

    status: Literal["none", "pending", "captured", "failed", "refunded", "voided"]
    captured: int
    refunded: int


class InventoryView(BaseModel):
    status: Literal["none", "reserved", "sold", "refused", "released"]


class ShippingView(BaseModel):
    status: Literal["none", "scheduled", "refused", "cancelled"]
    tracking_number: str | None


class StepView(BaseModel):
    """`pending`: not begun, or only just. `at`: the time of the last attempt; `last_error`: of the last failed one."""

    name: str
    status: Literal["pending", "running", "done", "refused", "waiting", "retrying"]
    attempts: int
    at: Instant | None
    last_error: str | None = None


class AttentionView(BaseModel):
    """Why an operator is needed: the compensation that ran out of attempts, since when, and its last error."""

    step: str
    since: Instant
    error: str


class OrderSummary(BaseModel):
    """`total` is set once the lines are priced. `reason`: a code why the order was refused, or is being or was undone.

    `attention` is null unless the status is `needs_attention`.
    """

    order_id: str
    style: StyleName
    status: StatusName
    reason: str | None
    attention: AttentionView | None
    total: MoneyView | None
    placed_at: Instant
    finished_at: Instant | None


class ActionView(BaseModel):
    """What a caller asked of the order: `by` is the name of the API key. `error`: why it was refused, if it was."""

    at: Instant
    by: str
    action: str
    error: str | None


class OrderView(OrderSummary):
    """`steps`: the five steps of the saga, begun or not, then the compensations that have begun.

    `trace_id`: 32 hexadecimal digits, the order's trace in OpenTelemetry; null unless traces are on and the
    order is sampled.
    """

    payment: PaymentView
    inventory: InventoryView
    shipping: ShippingView
    steps: list[StepView]
    trace_id: str | None
    actions: list[ActionView]


class OrderPage(BaseModel):
    """Newest first. `next_cursor` is None on the last page."""

    items: list[OrderSummary]
    next_cursor: str | None


class TimelineEvent(BaseModel):
    """`caused_by`: the event that the policy reacted to. Null for orchestrated orders, where the workflow decides."""

    event_id: str
    type: str
    service: str
    at: Instant
    caused_by: str | None
    data: dict[str, Any]


class Timeline(BaseModel):
    events: list[TimelineEvent]
