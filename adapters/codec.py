"""JSON of events, and of the values that a column stores.

The `type` tag alone decides which event it is: two types may have equal fields. Unknown fields are
ignored, at any depth, so that a later version may add some.
"""

from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from domain.events import Event

T = TypeVar("T")

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
_TAG_MISSING_FROM_UNION = "union_tag_invalid"


class UndecodableEvent(ValueError):
    """Not an event: not JSON, without a tag, or with missing or wrong fields."""


class UnknownEventType(UndecodableEvent):
    """An event of a type that this version does not know."""


def encode_event(event: Event) -> bytes:
    return _events().dump_json(event)


def decode_event(value: bytes | str) -> Event:
    """Raises UnknownEventType: the tag is not one of ours; UndecodableEvent: anything else is wrong."""
    try:
        return _events().validate_json(value)
    except ValidationError as error:
        kinds = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
        kind = UnknownEventType if _TAG_MISSING_FROM_UNION in kinds else UndecodableEvent
        raise kind(_without_input(error)) from error


def to_json(value: object) -> str:
    """Write an order, a request or another dataclass that a column stores."""
    return _adapter(type(value)).dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """Read what `to_json` wrote."""
    return _adapter(kind).validate_json(text)


def _without_input(error: ValidationError) -> str:
    """Name the error and its place, without the input, which contains names, addresses and card tokens."""
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in problems)


# Adapters are built at first use, because building takes time that a process without decoding need not spend.


@cache
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Field(discriminator="type")])


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
