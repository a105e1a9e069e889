"""Kafka records, the events that decoders read from them, and the Temporal headers that name an event.

`kafka_into_workflow` writes the headers on the start request; `workflow_into_kafka` reads them inside the workflow.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Header, Payload
from temporalio.converter import default

CAUSED_BY = "kafka-caused-by"
TRACEPARENT = "kafka-traceparent"
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRecord:
    """`undecodable`: an UndecodableBatch, instead of key, value and headers, for records that cannot be decoded."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    undecodable: Exception | None = None

    def header(self, name: str) -> str | None:
        """Return the first header with this name, decoded, or None. Raises UnicodeDecodeError: it is not UTF-8."""
        return next((value.decode() for key, value in self.headers if key == name and value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """An event as the routes see it.

    `source` and `id` identify the event, not the record: two records with the same ones have one effect. A decoder of
    events without a source gives ids that no other source has. `data` is decoded JSON.
    """

    id: str
    type: str
    key: str
    data: Any
    record: KafkaRecord
    source: str = ""

    @property
    def identity(self) -> str:
        """The request id by which Temporal recognises a repetition."""
        return f"{self.source} {self.id}" if self.source else self.id


class Unreadable(ValueError):
    """The record does not contain an event. Reading it again does not help: it goes to the dead letters."""


Decoder = Callable[[KafkaRecord], IncomingEvent]
"""Reads one record, without I/O. Raises Unreadable; any other exception counts as Unreadable too."""


def cloud_events(record: KafkaRecord) -> IncomingEvent:
    """Read CloudEvents 1.0 in binary mode.

    A record without an id or a source is refused: each repetition would count as new, or as another source's event.
    """
    event_id, source, event_type = (_header(record, name) for name in ("ce_id", "ce_source", "ce_type"))
    if _header(record, "ce_specversion") != "1.0":
        raise Unreadable("only CloudEvents 1.0 are read")
    return IncomingEvent(
        id=event_id, source=source, type=event_type, key=_key(record), data=_json(record), record=record
    )


def plain_json(event_type: str) -> Decoder:
    """Read JSON records without CloudEvents headers. The record's key is the id: the same key twice is one event."""

    def read(record: KafkaRecord) -> IncomingEvent:
        key = _key(record)
        return IncomingEvent(id=f"{record.topic}/{key}", type=event_type, key=key, data=_json(record), record=record)

    return read


def _header(record: KafkaRecord, name: str) -> str:
    try:
        value = record.header(name)
    except UnicodeDecodeError as error:
        raise Unreadable(f"header {name} is not UTF-8") from error
    if not value:
        raise Unreadable(f"header {name} is missing")
    return value


def _key(record: KafkaRecord) -> str:
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise Unreadable("the key is not UTF-8") from error


def _json(record: KafkaRecord) -> Any:  # noqa: ANN401 - JSON is any of a few types
    try:
        return json.loads(record.value or b"")
    except RecursionError as error:
        raise Unreadable("the value is nested too deeply") from error
    except ValueError as error:
        raise Unreadable("the value is not JSON") from error


def traceparent_of(record: KafkaRecord) -> str | None:
    """Return the W3C trace context of the record. An invalid one counts as none, as the recommendation says."""
    found = next((value for name, value in record.headers if name == "ce_traceparent"), None) or b""
    return found.decode() if _TRACEPARENT.fullmatch(found) else None


def started_by(event_id: str, traceparent: str | None) -> Header:
    converter = default().payload_converter
    values = {CAUSED_BY: event_id} | ({TRACEPARENT: traceparent} if traceparent else {})
    return Header(fields={name: converter.to_payload(value) for name, value in values.items()})


def header_of(headers: Mapping[str, Payload], name: str) -> str | None:
    payload = headers.get(name)
    return None if payload is None else default().payload_converter.from_payload(payload, str)
