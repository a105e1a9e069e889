"""JSON Schema (draft 2020-12) of each event, extracted from the codec's schema, which defines the wire format."""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.codec import events_schema
from domain.events import PaymentSettled

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/"


def event_schemas() -> Mapping[str, Schema]:
    """By event type. The gateway's event has our tag only in its header, so its data does not require it."""
    union = events_schema()
    definitions = {name: simplified(schema) for name, schema in union["$defs"].items()}
    definitions[PaymentSettled.__name__]["required"].remove("type")
    roots = {tag: ref.removeprefix(_REF) for tag, ref in union["discriminator"]["mapping"].items()}
    return {tag: _alone(tag, definitions[name], definitions) for tag, name in sorted(roots.items())}


def simplified(schema: Schema) -> dict[str, Any]:
    """Remove titles, which repeat the names, and require each tag: it is always written, and decides the type."""
    plain = {
        key: _simplified_within(value) for key, value in schema.items() if key not in {"title", "properties", "$defs"}
    }
    for group in [name for name in ("properties", "$defs") if name in schema]:
        plain[group] = {name: simplified(inner) for name, inner in schema[group].items()}
    tags = [name for name, inner in plain.get("properties", {}).items() if "const" in inner]
    for name in tags:
        plain["properties"][name].pop("default", None)
    if tags:
        plain["required"] = [*plain.get("required", ()), *tags]
    return plain


def _simplified_within(value: Any) -> Any:  # noqa: ANN401 - JSON is any of a few types
    if isinstance(value, dict):
        return simplified(value)
    return [_simplified_within(item) for item in value] if isinstance(value, list) else value


def _alone(tag: str, event: Schema, definitions: Mapping[str, Schema]) -> Schema:
    needed = _needed_by(event, definitions)
    alone = {"$schema": DIALECT, "title": tag, **event}
    return alone | {"$defs": {name: definitions[name] for name in sorted(needed)}} if needed else alone


def _needed_by(schema: Schema, definitions: Mapping[str, Schema]) -> set[str]:
    needed: set[str] = set()
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _references(definitions[name])
    return needed


def _references(value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(_REF)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
