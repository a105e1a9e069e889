"""Which changes of an event are incompatible.

Each kind of change is made to a real event class. It is incompatible exactly if one version refuses a message that the
other one writes.
"""

import json
from dataclasses import field, make_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from event_catalog.compatibility import breaking_changes, broken_contracts
from event_catalog.generate import published_schemas
from event_catalog.schemas import event_schemas, simplified


class Reason(StrEnum):
    LATE = "late"
    LOST = "lost"


class FewerReasons(StrEnum):
    LATE = "late"


class MoreReasons(StrEnum):
    LATE = "late"
    LOST = "lost"
    SOLD = "sold"


Fields = dict[str, Any]
EventClass = Any
"""A class that the test makes, so that no type checker knows it."""

CARD: Fields = {"token": str, "method": Literal["card"]}
PIX: Fields = {"method": Literal["pix"]}
LINE: Fields = {"sku": str, "quantity": int}
OPTIONAL_NOTE = (str | None, None)


def a_class(fields: Fields, name: str = "Message") -> EventClass:
    """A pair is a type and a default."""
    rows = [
        (key, kind[0], field(default=kind[1])) if isinstance(kind, tuple) else (key, kind)
        for key, kind in fields.items()
    ]
    return make_dataclass(name, rows, kw_only=True)


def an_event(**changes: EventClass) -> EventClass:
    """The published event, with fields changed, added, or left out by None."""
    fields: Fields = {
        "order_id": str,
        "reason": Reason,
        "at": datetime,
        "note": OPTIONAL_NOTE,
        "lines": tuple[a_class(LINE, "Line"), ...],  # type: ignore[misc]
        "payment": a_class(CARD, "Card") | a_class(PIX, "Pix"),
        "type": (Literal["order.lost"], "order.lost"),
    }
    return a_class({name: kind for name, kind in (fields | changes).items() if kind is not None})


def with_lines(**changes: EventClass) -> EventClass:
    return an_event(lines=tuple[a_class(LINE | changes, "Line"), ...])  # type: ignore[misc]


def schema_of(kind: EventClass) -> dict[str, Any]:
    return simplified(TypeAdapter(kind).json_schema(mode="serialization"))


def reads(kind: EventClass, message: Fields) -> bool:
    try:
        TypeAdapter(kind).validate_json(json.dumps(message))
    except ValidationError:
        return False
    return True


PUBLISHED = an_event()
MESSAGE: Fields = {
    "order_id": "o-1",
    "reason": "lost",
    "at": "2026-03-01T12:00:00Z",
    "note": "by the door",
    "lines": [{"sku": "A", "quantity": 2}],
    "payment": {"method": "card", "token": "tok_visa"},
    "type": "order.lost",
}
BREAKING = [
    pytest.param(an_event(reason=None), MESSAGE | {"reason": ...}, "reason is removed", id="field removed"),
    pytest.param(an_event(sku=str), MESSAGE, "sku is new and required", id="required field added"),
    pytest.param(with_lines(color=str), MESSAGE, "lines[].color is new and required", id="required deep inside"),
    pytest.param(
        an_event(note=(str, "none")), MESSAGE | {"note": None}, "note: the alternative 'null' is removed", id="no null"
    ),
    pytest.param(
        an_event(order_id=(str, "none")), MESSAGE | {"order_id": ...}, "order_id may be missing now", id="now optional"
    ),
    pytest.param(an_event(order_id=str | None), MESSAGE | {"order_id": None}, "'null' is new", id="now nullable"),
    pytest.param(an_event(order_id=int), MESSAGE, 'order_id: type was "string" and is "integer"', id="type changed"),
    pytest.param(with_lines(quantity=str), MESSAGE, "lines[].quantity: type was", id="type changed deep inside"),
    pytest.param(an_event(at=str), MESSAGE | {"at": "at noon"}, 'at: format was "date-time"', id="format dropped"),
    pytest.param(an_event(reason=FewerReasons), MESSAGE, "reason: 'lost' is removed", id="value removed"),
    pytest.param(an_event(reason=MoreReasons), MESSAGE | {"reason": "sold"}, "reason: 'sold' is new", id="value added"),
    pytest.param(an_event(reason=str), MESSAGE | {"reason": "any"}, "lists its values", id="values no longer listed"),
    pytest.param(
        an_event(type=(Literal["order.gone"], "order.gone")), MESSAGE, "type: 'order.lost' is removed", id="other tag"
    ),
    pytest.param(an_event(payment=a_class(PIX, "Pix")), MESSAGE, "'method card' is removed", id="alternative removed"),
    pytest.param(
        an_event(payment=a_class(CARD, "Card") | a_class(PIX, "Pix") | a_class({"method": Literal["cash"]}, "Cash")),
        MESSAGE | {"payment": {"method": "cash"}},
        "'method cash' is new",
        id="alternative added",
    ),
    pytest.param(
        an_event(payment=a_class(CARD | {"holder": str}, "Card") | a_class(PIX, "Pix")),
        MESSAGE,
        "payment(method card).holder is new and required",
        id="required within an alternative",
    ),
]
HARMLESS = [
    pytest.param(PUBLISHED, MESSAGE, id="nothing changed"),
    pytest.param(an_event(channel=(str, "web")), MESSAGE | {"channel": "shop"}, id="optional field added"),
    pytest.param(
        with_lines(color=(str, "red")), MESSAGE | {"lines": [{"sku": "A", "quantity": 2, "color": "blue"}]}, id="inside"
    ),
    pytest.param(an_event(note=(str | None, "none")), MESSAGE | {"note": "none"}, id="default changed"),
    pytest.param(
        an_event(payment=a_class(PIX, "PixPayment") | a_class(CARD, "CardPayment")), MESSAGE, id="classes renamed"
    ),
]


@pytest.mark.parametrize(("changed", "refused", "said"), BREAKING)
def test_a_breaking_change_is_found_and_said(changed: EventClass, refused: Fields, said: str) -> None:
    message = {name: value for name, value in refused.items() if value is not ...}
    assert {reads(PUBLISHED, message), reads(changed, message)} == {True, False}, "one writes what the other refuses"

    found = breaking_changes(schema_of(PUBLISHED), schema_of(changed))

    assert any(said in change for change in found), found


@pytest.mark.parametrize(("changed", "message"), HARMLESS)
def test_a_harmless_change_is_not_found(changed: EventClass, message: Fields) -> None:
    for written in (message, MESSAGE):
        assert reads(PUBLISHED, written)
        assert reads(changed, written)

    assert breaking_changes(schema_of(PUBLISHED), schema_of(changed)) == []


def test_a_removed_event_is_incompatible_and_a_new_one_is_compatible() -> None:
    schemas = event_schemas()
    fewer = {tag: schema for tag, schema in schemas.items() if tag != "order.created"}

    assert broken_contracts(schemas, fewer) == ["order.created: this event is no longer written"]
    assert broken_contracts(fewer, schemas) == []


@pytest.mark.parametrize("tag", event_schemas())
def test_every_event_is_compatible_with_itself_and_with_no_other(tag: str) -> None:
    schemas = event_schemas()

    assert breaking_changes(schemas[tag], schemas[tag]) == []
    assert all(breaking_changes(schemas[tag], schema) for other, schema in schemas.items() if other != tag)


def test_no_event_has_changed_in_a_way_that_breaks_a_reader_or_writer_of_the_published_version() -> None:
    assert broken_contracts(published_schemas(), event_schemas()) == []
