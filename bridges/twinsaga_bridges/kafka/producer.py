"""Events on their way out: CloudEvents 1.0 in Kafka's binary mode, sent one at a time and acknowledged."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.base import BaseCloudEvent, EventFactory
from cloudevents.core.bindings.kafka import to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

ACK_DEADLINE_S = 10.0
"""Longer than the producer's own delivery timeout has to be: a record must have failed before it may be sent again."""

_CLOSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEvent:
    """A CloudEvent to be. `data` is JSON.

    `id`, where a workflow publishes, is derived from it when it is None. `caused_by` is the id of the event that this
    one follows from, `traceparent` W3C trace context; both become extension attributes.
    """

    topic: str
    key: str
    type: str
    source: str
    data: Any
    id: str | None = None
    caused_by: str | None = None
    traceparent: str | None = None


class Unsendable(ValueError):
    """It is no CloudEvent, no JSON, or larger than the broker takes. Sending it again does not help."""


class EventProducer:
    """`connect` makes an idempotent producer with acks=all and a delivery timeout below ACK_DEADLINE_S."""

    def __init__(self, connect: Callable[[], KafkaProducer]) -> None:
        self._connect = connect
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()

    def send(self, event: OutgoingEvent) -> None:
        """Return once every replica that has to has it. Blocks; connects when it is first needed.

        Raises:
            Unsendable: do not repeat it.
            KafkaError: it is not stored, or nobody knows; repeat it under the same id.
        """
        value, headers = _binary(event)
        producer = self._connected()
        try:
            sent = producer.send(event.topic, key=event.key.encode(), value=value, headers=headers)
            sent.get(timeout=ACK_DEADLINE_S)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise Unsendable(f"{event.type} of {len(value)} bytes is more than the broker takes") from error
        except KafkaError:
            self._give_up(producer)
            raise

    def close(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer)

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = self._connect()
            return self._producer

    def _give_up(self, producer: KafkaProducer) -> None:
        """A producer that failed may hold records that a retry sends again: drop it, and them with it."""
        with self._lock:
            if self._producer is producer:
                self._producer = None
        close_producer(producer)


class EncodedJson:
    """Data passes as it is: what is no JSON is to be found before the library has a say."""

    def read(self, event_factory: EventFactory | None, data: str | bytes) -> BaseCloudEvent:
        raise NotImplementedError("only binary mode is written")

    def write(self, event: BaseCloudEvent) -> bytes:
        raise NotImplementedError("only binary mode is written")

    def write_data(self, data: dict[str, Any] | str | bytes | None, datacontenttype: str | None) -> bytes:
        if not isinstance(data, bytes):
            raise TypeError(f"{datacontenttype} is encoded before it comes here")
        return data

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:  # noqa: ARG002 - part of the protocol
        return body

    def get_content_type(self) -> str:
        return "application/cloudevents+json"


def _binary(event: OutgoingEvent) -> tuple[bytes, list[tuple[str, bytes]]]:
    attributes: dict[str, Any] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "specversion": "1.0",
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
        "partitionkey": event.key,
    }
    if event.caused_by is not None:
        attributes["causationid"] = event.caused_by
    if event.traceparent is not None:
        attributes["traceparent"] = event.traceparent
    try:
        message = to_binary(CloudEvent(attributes, _encoded(event)), EncodedJson())
    except BaseCloudEventException as error:
        raise Unsendable(f"{event.type} is no CloudEvent: {error}") from error
    return message.value, list(message.headers.items())


def _encoded(event: OutgoingEvent) -> bytes:
    try:
        return json.dumps(event.data, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Unsendable(f"{event.type} is no JSON: {error}") from error


def close_producer(producer: KafkaProducer) -> None:
    try:
        producer.close(timeout=_CLOSE_S)
    except KafkaError:
        # With records left, close() raises before it comes to stop the sender, which would go on for ever.
        producer._sender.force_close()  # noqa: SLF001
