"""Temporal headers that name the event which started a workflow.

`kafka_into_workflow` writes them on the start request; `workflow_into_kafka` reads them inside the workflow.
"""

from collections.abc import Mapping

from temporalio.api.common.v1 import Header, Payload
from temporalio.converter import default

CAUSED_BY = "kafka-caused-by"
TRACEPARENT = "kafka-traceparent"


def started_by(event_id: str, traceparent: str | None) -> Header:
    converter = default().payload_converter
    values = {CAUSED_BY: event_id} | ({TRACEPARENT: traceparent} if traceparent else {})
    return Header(fields={name: converter.to_payload(value) for name, value in values.items()})


def header_of(headers: Mapping[str, Payload], name: str) -> str | None:
    payload = headers.get(name)
    return None if payload is None else default().payload_converter.from_payload(payload, str)
