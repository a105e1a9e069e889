"""Ids: opaque strings with distinct types, so that one cannot be passed as another."""

from typing import NewType
from uuid import UUID, uuid4, uuid5

OrderId = NewType("OrderId", str)
CustomerId = NewType("CustomerId", str)
EventId = NewType("EventId", str)
Sku = NewType("Sku", str)

_ORDERS = UUID("5f0a6d1e-3a7b-5b0e-9d5c-0c6f6f2f7a11")
_EVENTS = UUID("b7c3b9b4-0a52-5a0f-8a1d-2f0d7a4c9e22")


def new_order_id() -> OrderId:
    return OrderId(str(uuid4()))


def order_id_from_key(scope: str, key: str) -> OrderId:
    """Derive the order id from an idempotency key, so that a repeated call finds the order of the first one."""
    return OrderId(str(uuid5(_ORDERS, f"{scope}\n{key}")))


def event_id_of(order_id: OrderId, event_type: str) -> EventId:
    """Derive the event id, so that a repeated step yields the event that it recorded before."""
    # Sufficient, because an order has at most one event of each type.
    return EventId(str(uuid5(_EVENTS, f"{order_id}\n{event_type}")))
