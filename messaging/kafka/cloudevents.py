"""Events as CloudEvents 1.0 in Kafka's binary mode: attributes in headers, data in the value, correlation key as key.

The raw headers are checked before the library reads them, because it makes up missing attributes: with a new id, a
duplicate would pass as a new event.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from messaging.events import E, E_co, RecordedEvent, WrittenEvent
from messaging.ids import EventId, NotAnId, outside_id
from messaging.kafka.connection import Headers
from messaging.vocabulary import Vocabulary

INSTALLATION = "ce_installation"
REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time")
LARGEST_VALUE = 256 * 1024
"""Bytes. The largest event is far smaller."""

_SOURCE = "/twinsaga/"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes it: after an even number of backslashes."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class NotACloudEvent(ValueError):
    """A required attribute is missing, or attributes, key and data contradict each other."""


class _RawData(JSONFormat):
    """Leaves the value to the vocabulary: the library would return anything for a value that is not JSON."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:  # noqa: ARG002 - the base class's
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent(Generic[E_co]):
    """`source` and the event's id identify it, as CloudEvents says."""

    recorded: RecordedEvent[E_co]
    key: str
    source: str
    traceparent: str | None


def source_of(publisher: str) -> str:
    return f"{_SOURCE}{publisher}"


def to_message(event: WrittenEvent, traceparent: str | None, installation: str = "") -> OutgoingMessage:
    """`installation`: see `refuse_misplaced`."""
    attributes: dict[str, Any] = {
        "id": event.event_id,
        "source": source_of(event.service),
        "type": event.type,
        "specversion": "1.0",
        "time": event.at,
        "subject": event.key,
        "datacontenttype": "application/json",
        "partitionkey": event.key,
    }
    if event.caused_by is not None:
        attributes["causationid"] = event.caused_by
    if installation:
        attributes["installation"] = installation
    if traceparent is not None:
        attributes["traceparent"] = traceparent
    message = to_binary(CloudEvent(attributes, event.data.encode()), JSONFormat())
    return OutgoingMessage(key=event.key.encode(), value=message.value, headers=list(message.headers.items()))


def from_message(
    vocabulary: Vocabulary[E], key: bytes | None, value: bytes | None, headers: Headers
) -> ReceivedEvent[E]:
    """Raises NotACloudEvent (key, attributes, size), UndecodableEvent (the value), UnknownEventType (not ours)."""
    cloud_event = _read(key, value, dict(headers))
    data = cloud_event.get_data()
    if _NUL.search(value or b""):
        raise NotACloudEvent("a text contains NUL, which PostgreSQL cannot store")
    event = vocabulary.decode(data if isinstance(data, bytes) else b"")
    correlation_key = vocabulary.key_of(event)
    if event.type != cloud_event.get_type():
        raise NotACloudEvent(f"the header says {cloud_event.get_type()}, the data {event.type}")
    if key != correlation_key.encode():
        raise NotACloudEvent(f"the key is not the id of the {vocabulary.entity}, {correlation_key}")
    causation, traceparent = cloud_event.get_extension("causationid"), cloud_event.get_extension("traceparent")
    at = cloud_event.get_time()
    if at is None:
        raise NotACloudEvent("no time")
    try:
        outside_id(correlation_key, vocabulary.key_in_logs)
        event_id = outside_id(cloud_event.get_id(), "ce_id")
        source = outside_id(cloud_event.get_source(), "ce_source")
        caused_by = EventId(outside_id(causation, "ce_causationid")) if causation else None
    except NotAnId as error:
        raise NotACloudEvent(str(error)) from error
    if source.split() != [source]:
        raise NotACloudEvent("the source contains a space")  # it is a URI, and the inbox separates it by a space
    recorded = RecordedEvent(
        event_id=EventId(event_id),
        event=event,
        service=source.removeprefix(_SOURCE),
        at=at,
        caused_by=caused_by,
    )
    return ReceivedEvent(recorded=recorded, key=correlation_key, source=source, traceparent=_trace(traceparent))


def traceparent_in(headers: Headers) -> str | None:
    """Return the trace of a message that need not be one of our events."""
    return _trace(dict(headers).get("ce_traceparent", b"").decode(errors="replace"))


def _trace(traceparent: object) -> str | None:
    """None for an invalid one, as W3C Trace Context says: events that follow would carry it on."""
    return traceparent if isinstance(traceparent, str) and _TRACEPARENT.fullmatch(traceparent) else None


def type_header(headers: Headers) -> str | None:
    """Return the event's type from the headers, without decoding the event; None if the header is missing."""
    value = dict(headers).get("ce_type")  # of several the last one, as `from_message` reads it
    return None if value is None else value.decode(errors="replace")


def _read(key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> BaseCloudEvent:
    if key is None or value is None:
        raise NotACloudEvent("the key or the value is missing")
    if len(value) > LARGEST_VALUE:
        raise NotACloudEvent(f"{len(value)} bytes are more than {LARGEST_VALUE}")
    missing = [name for name in REQUIRED if not headers.get(name)]
    if missing:
        raise NotACloudEvent(f"headers are missing: {', '.join(missing)}")
    if headers["ce_specversion"] != b"1.0":
        raise NotACloudEvent(f"CloudEvents {headers['ce_specversion']!r} is not a supported version")
    message = KafkaMessage(headers=dict(headers), key=key, value=value)
    try:
        return from_binary(message, _RawData(), CloudEvent)
    except (BaseCloudEventException, ValueError, AttributeError) as error:
        raise NotACloudEvent(f"headers are unreadable: {error}") from error
