"""Events: each states what one service did, or why it refused.

A union of events decodes by the `type` tag. Its first word names the service that records the event, except for
`payment.settled`, which comes from the gateway.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.ids import OrderId
from domain.order import Order, OrderRequest, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequested:
    order_id: OrderId
    request: OrderRequest
    type: Literal["order.requested"] = "order.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCreated:
    order_id: OrderId
    order: Order
    type: Literal["order.created"] = "order.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConfirmed:
    order_id: OrderId
    type: Literal["order.confirmed"] = "order.confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    order_id: OrderId
    reason: Reason
    type: Literal["order.cancelled"] = "order.cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancellationRequested:
    order_id: OrderId
    reason: Reason
    type: Literal["order.cancellation_requested"] = "order.cancellation_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPending:
    """The customer has until `expires_at` to pay."""

    order_id: OrderId
    order: Order
    expires_at: datetime
    type: Literal["payment.pending"] = "payment.pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCompleted:
    order_id: OrderId
    order: Order
    charge_id: str
    type: Literal["payment.completed"] = "payment.completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    order_id: OrderId
    reason: Reason
    type: Literal["payment.failed"] = "payment.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded:
    """No money of the customer is held: it was refunded, or never charged."""

    order_id: OrderId
    reason: Reason
    type: Literal["payment.refunded"] = "payment.refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettled:
    """The gateway reports that the customer paid, for orders of both styles, and even if no saga waits for it."""

    order_id: OrderId
    type: Literal["payment.settled"] = "payment.settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryReserved:
    order_id: OrderId
    order: Order
    type: Literal["inventory.reserved"] = "inventory.reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryFailed:
    order_id: OrderId
    reason: Reason
    type: Literal["inventory.failed"] = "inventory.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryReleased:
    order_id: OrderId
    reason: Reason
    type: Literal["inventory.released"] = "inventory.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingScheduled:
    order_id: OrderId
    tracking_number: str
    type: Literal["shipping.scheduled"] = "shipping.scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingFailed:
    order_id: OrderId
    reason: Reason
    type: Literal["shipping.failed"] = "shipping.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingCancelled:
    order_id: OrderId
    reason: Reason
    type: Literal["shipping.cancelled"] = "shipping.cancelled"


Event = (
    OrderRequested
    | OrderCreated
    | OrderConfirmed
    | OrderCancelled
    | OrderCancellationRequested
    | PaymentPending
    | PaymentCompleted
    | PaymentFailed
    | PaymentRefunded
    | PaymentSettled
    | InventoryReserved
    | InventoryFailed
    | InventoryReleased
    | ShippingScheduled
    | ShippingFailed
    | ShippingCancelled
)
