"""Ids of events, and the checks of ids that come from outside."""

import unicodedata
from typing import NewType
from uuid import UUID

EventId = NewType("EventId", str)

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


def refused_characters(text: str) -> str | None:
    """Return why a text cannot be stored, or None. For ids, and for any text that an index or a key contains."""
    if text.isascii() and text.isprintable():  # nearly every id
        return None
    refused = any(unicodedata.category(character) in _REFUSED for character in text)
    return "contains a control character" if refused else None


def correlation_key(raw: bytes | None) -> str | None:
    """Read the key of a message that may be anything. None if it is not a UUID, as all correlation keys are."""
    try:
        return str(UUID((raw or b"").decode()))
    except ValueError:
        return None
