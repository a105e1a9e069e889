"""JSON Schema (draft 2020-12) of each event, as pydantic derives it from the class that the codec writes."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter

from domain.events import Event, PaymentSettled
from messaging.vocabulary import tag_of

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schemas() -> Mapping[str, Schema]:
    """By event type. The gateway's event has our tag only in its header, so its data does not require it."""
    schemas = {tag_of(event): _schema_of(event) for event in get_args(Event)}
    schemas[tag_of(PaymentSettled)]["required"].remove("type")
    return dict(sorted(schemas.items()))


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


def _schema_of(event: type[Event]) -> dict[str, Any]:
    schema = simplified(TypeAdapter(event).json_schema(mode="serialization"))
    definitions = schema.pop("$defs", {})
    schema = {"$schema": DIALECT, "title": tag_of(event), **schema}
    return schema | {"$defs": dict(sorted(definitions.items()))} if definitions else schema
