"""Kafka records as events: what has happened, under an id by which a repetition is known."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRecord:
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """The first header of that name, or None."""
        return next((value.decode() for key, value in self.headers if key == name and value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """`id` names what happened, not the record: one event in two records has one effect. `data` is decoded JSON."""

    id: str
    type: str
    key: str
    data: Any
    record: KafkaRecord


class Unreadable(ValueError):
    """The record is no event. Reading it again does not help."""


Decoder = Callable[[KafkaRecord], IncomingEvent]
"""Raises Unreadable."""


def cloud_events(record: KafkaRecord) -> IncomingEvent:
    """Read CloudEvents 1.0 in binary mode. A record without an id would pass as new each time, so it is refused."""
    event_id, event_type = _header(record, "ce_id"), _header(record, "ce_type")
    if _header(record, "ce_specversion") != "1.0":
        raise Unreadable("only CloudEvents 1.0 are read")
    return IncomingEvent(id=event_id, type=event_type, key=_key(record), data=_json(record), record=record)


def plain_json(event_type: str) -> Decoder:
    """Read records of a producer that knows no CloudEvents: the key is its request's id, the value is the request."""

    def read(record: KafkaRecord) -> IncomingEvent:
        key = _key(record)
        return IncomingEvent(id=f"{record.topic}/{key}", type=event_type, key=key, data=_json(record), record=record)

    return read


def _header(record: KafkaRecord, name: str) -> str:
    try:
        value = record.header(name)
    except UnicodeDecodeError as error:
        raise Unreadable(f"header {name} is no UTF-8") from error
    if not value:
        raise Unreadable(f"header {name} is missing")
    return value


def _key(record: KafkaRecord) -> str:
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise Unreadable("the key is no UTF-8") from error


def _json(record: KafkaRecord) -> Any:  # noqa: ANN401 - JSON is any of a few types
    try:
        return json.loads(record.value or b"")
    except ValueError as error:
        raise Unreadable("the value is no JSON") from error
