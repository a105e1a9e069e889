"""Ids: opaque strings with distinct types, so that one cannot be passed as another."""

from typing import NewType
from uuid import UUID, uuid4, uuid5

OrderId = NewType("OrderId", str)
CustomerId = NewType("CustomerId", str)
Sku = NewType("Sku", str)

_ORDERS = UUID("5f0a6d1e-3a7b-5b0e-9d5c-0c6f6f2f7a11")


def is_own_id(text: str) -> bool:
    """Whether the text may be an id that we gave: all of them are UUIDs, in their usual form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def new_order_id() -> OrderId:
    return OrderId(str(uuid4()))


def order_id_from_key(scope: str, key: str) -> OrderId:
    """Derive the order id from an idempotency key, so that a repeated call finds the order of the first one."""
    return OrderId(str(uuid5(_ORDERS, f"{scope}\n{key}")))
