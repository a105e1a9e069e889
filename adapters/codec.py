"""JSON of the values that a column stores. Unknown fields are ignored, so that a later version may add some."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def to_json(value: object) -> str:
    """Write an order, a request or another dataclass that a column stores."""
    return _adapter(type(value)).dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """Read what `to_json` wrote."""
    return _adapter(kind).validate_json(text)


# Adapters are built at first use, because building takes time that a process without decoding need not spend.


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
