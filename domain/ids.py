"""Ids: opaque strings with distinct types, so that one cannot be passed as another."""

import unicodedata
from typing import NewType
from uuid import UUID, uuid4, uuid5

OrderId = NewType("OrderId", str)
CustomerId = NewType("CustomerId", str)
EventId = NewType("EventId", str)
Sku = NewType("Sku", str)

_ORDERS = UUID("5f0a6d1e-3a7b-5b0e-9d5c-0c6f6f2f7a11")
_EVENTS = UUID("b7c3b9b4-0a52-5a0f-8a1d-2f0d7a4c9e22")


LONGEST_ID = 255
"""Bytes in UTF-8. Every store and engine that we use takes an index entry, a key or a workflow id of this size."""

_REFUSED = frozenset({"Cc", "Cs"})
"""Control characters, of which PostgreSQL stores no NUL, and lone surrogates, which UTF-8 cannot encode."""


class NotAnId(ValueError):
    """The message contains nothing of the id, which may be anything."""


def outside_id(value: object, name: str) -> str:
    """Return an id that came from outside, unchanged. Raises NotAnId, which calls it `name`."""
    if not isinstance(value, str) or not value.strip():
        raise NotAnId(f"{name} is missing, blank or not a string")
    if (found := refused_characters(value)) is not None:
        raise NotAnId(f"{name} {found}")
    if len(value.encode()) > LONGEST_ID:
        raise NotAnId(f"{name} is longer than {LONGEST_ID} bytes")
    return value


def is_own_id(text: str) -> bool:
    """Whether the text may be an id that we gave: all of them are UUIDs, in their usual form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def refused_characters(text: str) -> str | None:
    """Return why a text cannot be stored, or None. For ids, and for any text that an index or a key contains."""
    if text.isascii() and text.isprintable():  # nearly every id
        return None
    refused = any(unicodedata.category(character) in _REFUSED for character in text)
    return "contains a control character" if refused else None


def new_order_id() -> OrderId:
    return OrderId(str(uuid4()))


def order_id_from_key(scope: str, key: str) -> OrderId:
    """Derive the order id from an idempotency key, so that a repeated call finds the order of the first one."""
    return OrderId(str(uuid5(_ORDERS, f"{scope}\n{key}")))


def event_id_of(order_id: OrderId, event_type: str) -> EventId:
    """Derive the event id, so that a repeated step yields the event that it recorded before."""
    # Sufficient, because an order has at most one event of each type.
    return EventId(str(uuid5(_EVENTS, f"{order_id}\n{event_type}")))
