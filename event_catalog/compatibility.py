"""Finds incompatible changes between the published schemas of the events and the current ones.

During a rolling update two versions of a service run side by side, and messages outlive both, in topics and dead
letters. So the published version must read what the current one writes, and the current one what was written before.
Readers ignore unknown fields and refuse unknown values.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = {"$schema", "$defs", "$comment", "title", "description", "examples", "default", "deprecated"}
_COMPARED_BELOW = {"properties", "required", "items", "anyOf", "oneOf", "enum", "const"}


def broken_contracts(published: Mapping[str, Schema], current: Mapping[str, Schema]) -> Sequence[str]:
    """One sentence for each incompatible change, by event type. A new type is compatible."""
    gone = [f"{tag}: this event is no longer written" for tag in sorted(published.keys() - current.keys())]
    return gone + [
        f"{tag}: {change}"
        for tag in sorted(published.keys() & current.keys())
        for change in breaking_changes(published[tag], current[tag])
    ]


def breaking_changes(published: Schema, current: Schema) -> Sequence[str]:
    return list(_changes("", _Node(published, published), _Node(current, current)))


@dataclass(frozen=True, slots=True)
class _Node:
    """A schema within its document, which contains the definitions that it refers to."""

    schema: Schema
    document: Schema

    def into(self, schema: Schema) -> "_Node":
        if "$ref" in schema:
            schema = self.document["$defs"][schema["$ref"].rpartition("/")[2]]
        return _Node(schema, self.document)

    @property
    def fields(self) -> Mapping[str, Schema]:
        fields: Mapping[str, Schema] = self.schema.get("properties", {})
        return fields

    @property
    def required(self) -> set[str]:
        return set(self.schema.get("required", ()))

    @property
    def is_union(self) -> bool:
        return "anyOf" in self.schema or "oneOf" in self.schema

    @property
    def alternatives(self) -> Mapping[str, "_Node"]:
        """By the label that distinguishes them in a message. A schema that is not a union is its only alternative."""
        found = [self.into(option) for key in ("anyOf", "oneOf") for option in self.schema.get(key, ())] or [self]
        return {option.label: option for option in found}

    @property
    def label(self) -> str:
        tags = [f"{name} {field['const']}" for name, field in sorted(self.fields.items()) if "const" in field]
        kind = [str(self.schema[rule]) for rule in ("type", "format") if rule in self.schema]
        return ", ".join(tags or kind) or "anything"

    @property
    def values(self) -> Sequence[Any]:
        return [self.schema["const"]] if "const" in self.schema else list(self.schema.get("enum", ()))


def _changes(place: str, old: _Node, new: _Node) -> Iterator[str]:
    if old.is_union or new.is_union:
        yield from _changed_alternatives(place, old, new)
        return
    yield from _changed_rules(place, old, new)
    yield from _changed_values(place, old, new)
    yield from _changed_fields(place, old, new)
    if "items" in old.schema or "items" in new.schema:
        yield from _changes(f"{place}[]", old.into(old.schema.get("items", {})), new.into(new.schema.get("items", {})))


def _changed_fields(place: str, old: _Node, new: _Node) -> Iterator[str]:
    for name, field in old.fields.items():
        at = f"{place}.{name}".lstrip(".")
        if name not in new.fields:
            yield f"{at} is removed"
            continue
        if name in old.required - new.required:
            yield f"{at} may be missing now, and readers of the published version require it"
        if name in new.required - old.required:
            yield f"{at} is required now, and messages of the published version may lack it"
        yield from _changes(at, old.into(field), new.into(new.fields[name]))
    for name in sorted(new.required - old.fields.keys()):
        yield f"{place}.{name}".lstrip(".") + " is new and required, and messages of the published version lack it"


def _changed_values(place: str, old: _Node, new: _Node) -> Iterator[str]:
    if not old.values or not new.values:
        if old.values or new.values:
            yield f"{place}: one version lists its values, the other does not"
        return
    for value in old.values:
        if value not in new.values:
            yield f"{place}: {value!r} is removed, and messages that were written before cannot be read"
    for value in new.values:
        if value not in old.values:
            yield f"{place}: {value!r} is new, and readers of the published version refuse it"


def _changed_alternatives(place: str, old: _Node, new: _Node) -> Iterator[str]:
    before, after = old.alternatives, new.alternatives
    for label in sorted(before.keys() - after.keys()):
        yield f"{place}: the alternative '{label}' is removed, and messages that were written before cannot be read"
    for label in sorted(after.keys() - before.keys()):
        yield f"{place}: the alternative '{label}' is new, and readers of the published version refuse it"
    for label in sorted(before.keys() & after.keys()):
        yield from _changes(f"{place}({label})", before[label], after[label])


def _changed_rules(place: str, old: _Node, new: _Node) -> Iterator[str]:
    """Other rules, such as the type: the version with the narrower rule refuses messages of the other one."""
    for rule in sorted((old.schema.keys() | new.schema.keys()) - _ANNOTATIONS - _COMPARED_BELOW):
        before, after = old.schema.get(rule), new.schema.get(rule)
        if before != after:
            yield f"{place or 'the event'}: {rule} was {json.dumps(before)} and is {json.dumps(after)}"
