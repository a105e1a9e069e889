"""Ids: opaque strings, typed so that one cannot be passed for another."""

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
    """The same key in the same scope is always the same order, so a repeated call finds what the first one placed."""
    return OrderId(str(uuid5(_ORDERS, f"{scope}\n{key}")))


def event_id_of(order_id: OrderId, event_type: str) -> EventId:
    """An order has at most one event of each type: a repeated step names the event it already recorded."""
    return EventId(str(uuid5(_EVENTS, f"{order_id}\n{event_type}")))
