"""The whole choreography on one page: which service reacts to which event, and how.

There is no coordinator. An order continues because each policy's service records the event that triggers the next one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from choreography.when_charge_runs_out_of_attempts_abort_payment import when_charge_runs_out_of_attempts_abort_payment
from choreography.when_inventory_failed_refund_payment import when_inventory_failed_refund_payment
from choreography.when_inventory_released_refund_payment import when_inventory_released_refund_payment
from choreography.when_inventory_reserved_schedule_shipping import when_inventory_reserved_schedule_shipping
from choreography.when_order_cancellation_requested_withdraw_shipping import (
    when_order_cancellation_requested_withdraw_shipping,
)
from choreography.when_order_created_charge_payment import when_order_created_charge_payment
from choreography.when_order_requested_create_order import when_order_requested_create_order
from choreography.when_payment_completed_reserve_inventory import when_payment_completed_reserve_inventory
from choreography.when_payment_failed_cancel_order import when_payment_failed_cancel_order
from choreography.when_payment_refunded_cancel_order import when_payment_refunded_cancel_order
from choreography.when_payment_settled_book_payment import when_payment_settled_book_payment
from choreography.when_shipping_cancelled_release_inventory import when_shipping_cancelled_release_inventory
from choreography.when_shipping_failed_release_inventory import when_shipping_failed_release_inventory
from choreography.when_shipping_scheduled_confirm_order import when_shipping_scheduled_confirm_order
from choreography.when_shipping_scheduled_sell_inventory import when_shipping_scheduled_sell_inventory
from domain.events import (
    Event,
    InventoryFailed,
    InventoryReleased,
    InventoryReserved,
    OrderCancellationRequested,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRequested,
    PaymentCompleted,
    PaymentFailed,
    PaymentPending,
    PaymentRefunded,
    PaymentSettled,
    ShippingCancelled,
    ShippingFailed,
    ShippingScheduled,
)
from messaging.vocabulary import tag_of
from services.inventory.service import InventoryService
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService

Policy = Callable[[Any, Any], None]
"""Takes an event and the service that reacts to it; a test checks the types of each row."""

_ORDERS: Mapping[type[Event], Callable[[Any, OrderService], None]] = {
    OrderRequested: when_order_requested_create_order,
    ShippingScheduled: when_shipping_scheduled_confirm_order,
    PaymentFailed: when_payment_failed_cancel_order,
    PaymentRefunded: when_payment_refunded_cancel_order,
}
_PAYMENTS: Mapping[type[Event], Callable[[Any, PaymentService], None]] = {
    OrderCreated: when_order_created_charge_payment,
    InventoryFailed: when_inventory_failed_refund_payment,
    InventoryReleased: when_inventory_released_refund_payment,
    PaymentSettled: when_payment_settled_book_payment,
}
_INVENTORY: Mapping[type[Event], Callable[[Any, InventoryService], None]] = {
    PaymentCompleted: when_payment_completed_reserve_inventory,
    ShippingScheduled: when_shipping_scheduled_sell_inventory,
    ShippingFailed: when_shipping_failed_release_inventory,
    ShippingCancelled: when_shipping_cancelled_release_inventory,
}
_SHIPPING: Mapping[type[Event], Callable[[Any, ShippingService], None]] = {
    InventoryReserved: when_inventory_reserved_schedule_shipping,
    OrderCancellationRequested: when_order_cancellation_requested_withdraw_shipping,
}

ROUTING: Mapping[str, Mapping[type[Event], Policy]] = {
    ORDER_SERVICE: _ORDERS,
    PAYMENT_SERVICE: _PAYMENTS,
    INVENTORY_SERVICE: _INVENTORY,
    SHIPPING_SERVICE: _SHIPPING,
}

OUT_OF_ATTEMPTS: Mapping[str, Mapping[type[Event], Policy]] = {
    PAYMENT_SERVICE: {OrderCreated: when_charge_runs_out_of_attempts_abort_payment}
}
"""Replaces a policy after its last attempt. Without an entry, as for every undo, the event becomes a dead letter."""

WITHOUT_POLICY: frozenset[type[Event]] = frozenset({PaymentPending, OrderConfirmed, OrderCancelled})
"""A pending payment waits for its customer; a confirmed or cancelled order is finished."""


GIVEN_UP_NEEDS_ATTENTION: Mapping[str, frozenset[str]] = {
    PAYMENT_SERVICE: frozenset(map(tag_of, (OrderCreated, InventoryFailed, InventoryReleased)))
}
"""By service: events whose policy, or its replacement, refunds money. When one of them becomes a dead letter, the Order
service marks the order `needs_attention`, and an operator's retry refunds it."""
