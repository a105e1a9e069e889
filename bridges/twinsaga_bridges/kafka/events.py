"""The events that decoders read from Kafka records, and the Temporal headers that name an event and its trace.

`kafka_into_workflow` writes the headers on its requests; `workflow_into_kafka` reads them inside the workflow.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn

from temporalio.api.common.v1 import Header, Payload
from temporalio.converter import default

from twinsaga_bridges.kafka.records import KafkaRecord

CAUSED_BY = "kafka-caused-by"
TRACER_HEADER = "_tracer-data"
"""By which the OpenTelemetry integrations of Temporal's SDKs pass a trace on: a JSON object with `traceparent`."""
TRACE_HEADERS = ("ce_traceparent", "traceparent")
"""Of a CloudEvent in binary mode, and of any other record."""
_LONGEST_SHOWN = 100
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """An event as the routes see it.

    `source` and `id` identify the event, not the record: two records with the same ones have one effect. A decoder of
    events without a source gives ids that no other source has. `data` is decoded JSON. An event with a route needs an
    id and a key that are not empty; without them it is a dead letter.
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


FromJson = Callable[[Any, KafkaRecord], str]
"""Reads a text from decoded JSON and its record. Without I/O: whatever it raises makes the record a dead letter."""


def record_key(_data: Any, record: KafkaRecord) -> str:  # noqa: ANN401 - a FromJson
    """Return the key of the record. As `id` of `plain_json`: records of a topic with the same key are one event."""
    return _key(record)


def record_place(_data: Any, record: KafkaRecord) -> str:  # noqa: ANN401 - a FromJson
    """Return topic, partition, offset and timestamp. A topic that was deleted and made again has other timestamps."""
    return f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp_ms}"


def plain_json(
    type: str | FromJson,  # noqa: A002 - named like the attribute of the event
    *,
    id: FromJson = record_place,  # noqa: A002 - as above
    key: FromJson = record_key,
) -> Decoder:
    """Read JSON records without CloudEvents headers. The source of the events is their topic.

    Args:
        type: the type of all events, or a function that reads it.
        id: by default each record is an event of its own. If producers may send an event twice, read its id from the
            data, or use `record_key` where the key names the event.
        key: by default the record's. An empty one is a dead letter, so name another place for records without a key.
    """

    def read(record: KafkaRecord) -> IncomingEvent:
        data = _json(record)
        return IncomingEvent(
            id=id(data, record),
            source=record.topic,
            type=type if isinstance(type, str) else type(data, record),
            key=key(data, record),
            data=data,
            record=record,
        )

    return read


def check_event(event: object) -> IncomingEvent:
    """Return what a decoder made. Raises Unreadable: it is no event, or its attributes are not text."""
    if not isinstance(event, IncomingEvent):
        raise Unreadable(f"the decoder returned {_shown(event)}, not an IncomingEvent")
    for name in ("id", "type", "key", "source"):
        if not isinstance(value := getattr(event, name), str):
            raise Unreadable(f"the event's {name} is {_shown(value)}, not text")
    return event


def check_identified(event: IncomingEvent) -> None:
    """Raises Unreadable: without an id all events would be one, without a key they would share a workflow."""
    for name in ("id", "key"):
        if not getattr(event, name):
            raise Unreadable(f"the event's {name} is empty")


def _shown(value: object) -> str:
    return repr(value)[:_LONGEST_SHOWN]


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
        return json.loads(record.value or b"", parse_constant=_refuse_constant)
    except RecursionError as error:
        raise Unreadable("the value is nested too deeply") from error
    except ValueError as error:
        raise Unreadable("the value is not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    """Python reads and writes NaN and Infinity. They are not JSON, and other languages' workers could not read them."""
    raise ValueError(name)


def traceparent_of(event: IncomingEvent) -> str | None:
    """Return the W3C trace context in the headers of the event's record. An invalid one counts as none."""
    values = {name: value for name, value in reversed(event.record.headers) if name in TRACE_HEADERS}
    found = next((values[name] for name in TRACE_HEADERS if name in values), None) or b""
    return found.decode() if _TRACEPARENT.fullmatch(found) else None


Trace = Callable[[IncomingEvent], AbstractContextManager[str | None]]
"""Makes the context in which an event is delivered. It yields the W3C trace context that the workflow continues.

For a span of the delivery, which lasts until Temporal has acknowledged. Its exceptions keep the event from delivery.
"""


def recorded_trace(event: IncomingEvent) -> AbstractContextManager[str | None]:
    """A Trace without a span: the workflow continues the trace of the record."""
    return nullcontext(traceparent_of(event))


def trace_header(traceparent: str | None) -> Header:
    """Return the header of a signal."""
    if traceparent is None:
        return Header()
    return Header(fields={TRACER_HEADER: default().payload_converter.to_payload({"traceparent": traceparent})})


def start_header(event_id: str, traceparent: str | None) -> Header:
    header = trace_header(traceparent)
    header.fields[CAUSED_BY].CopyFrom(default().payload_converter.to_payload(event_id))
    return header


def trace_in(headers: Mapping[str, Payload]) -> str | None:
    """Return the W3C trace context of a workflow, whoever started it."""
    payload = headers.get(TRACER_HEADER)
    carried = None if payload is None else default().payload_converter.from_payload(payload)
    traceparent = carried.get("traceparent") if isinstance(carried, dict) else None
    return traceparent if isinstance(traceparent, str) else None


def header_of(headers: Mapping[str, Payload], name: str) -> str | None:
    payload = headers.get(name)
    return None if payload is None else default().payload_converter.from_payload(payload, str)
