"""JSON of events and order snapshots. The `type` tag alone decides which event it is: two types may have equal fields.

Unknown fields are ignored, at any depth, so that a later version may add some.
"""

from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from domain.events import Event
from domain.order import Order, OrderRequest
from services.orders.store import Attention

_TAG_MISSING_FROM_UNION = "union_tag_invalid"


class UndecodableEvent(ValueError):
    """Not an event: not JSON, without a tag, or with missing or wrong fields."""


class UnknownEventType(UndecodableEvent):
    """An event of a type that this version does not know."""


def encode_event(event: Event) -> bytes:
    return _events().dump_json(event)


def decode_event(value: bytes | str) -> Event:
    """Read one event.

    Raises:
        UnknownEventType: the tag is not one of ours.
        UndecodableEvent: anything else is wrong.
    """
    try:
        return _events().validate_json(value)
    except ValidationError as error:
        kinds = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
        kind = UnknownEventType if _TAG_MISSING_FROM_UNION in kinds else UndecodableEvent
        raise kind(_without_input(error)) from error


def events_schema() -> dict[str, Any]:
    """JSON Schema of what `encode_event` writes: one definition for each event, with the tags as `discriminator`."""
    return _events().json_schema(mode="serialization")


def encode_order(order: Order) -> bytes:
    return _orders().dump_json(order)


def decode_order(value: bytes | str) -> Order:
    return _orders().validate_json(value)


def encode_request(request: OrderRequest) -> bytes:
    return _requests().dump_json(request)


def decode_request(value: bytes | str) -> OrderRequest:
    return _requests().validate_json(value)


def encode_attention(attention: Attention) -> bytes:
    return _attentions().dump_json(attention)


def decode_attention(value: bytes | str) -> Attention:
    return _attentions().validate_json(value)


def _without_input(error: ValidationError) -> str:
    """What is wrong and where, without the input: it contains names, addresses and card tokens."""
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in problems)


# Built at first use, because building takes time that a process without decoding need not spend.


@cache
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Field(discriminator="type")])


@cache
def _orders() -> TypeAdapter[Order]:
    return TypeAdapter(Order)


@cache
def _attentions() -> TypeAdapter[Attention]:
    return TypeAdapter(Attention)


@cache
def _requests() -> TypeAdapter[OrderRequest]:
    return TypeAdapter(OrderRequest)
