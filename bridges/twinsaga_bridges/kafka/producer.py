"""Sends CloudEvents 1.0 in Kafka's binary mode, each acknowledged by all in-sync replicas."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings.kafka import to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from twinsaga_bridges.kafka.closing import close_producer
from twinsaga_bridges.kafka.connection import checked_producer
from twinsaga_bridges.kafka.outgoing import ACK_DEADLINE_S, OutgoingEvent


class Unsendable(ValueError):
    """Not a CloudEvent, not JSON, not a topic, or larger than the broker accepts. A retry does not help."""


class EventProducer:
    """Connects when the first event is sent. Thread-safe.

    `connect` makes an idempotent producer with acks=all and a delivery timeout below ACK_DEADLINE_S, such as
    `KafkaConnection(...).producer`.
    """

    def __init__(self, connect: Callable[[], KafkaProducer]) -> None:
        self._connect = connect
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()

    def send(self, event: OutgoingEvent) -> None:
        """Block until all in-sync replicas have the event.

        Raises:
            Unsendable: a retry does not help.
            UnsuitableClient: `connect` makes a producer that would lose or double events.
            KafkaError: not stored, or unknown; retry under the same id.
        """
        value, headers = _binary(event)
        producer = self._connected()
        try:
            sent = producer.send(event.topic, key=event.key.encode(), value=value, headers=headers)
            sent.get(timeout=ACK_DEADLINE_S)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            self._drop(producer)  # kafka-python: it cannot send the next record after the broker has refused one
            raise Unsendable(f"{event.type} of {len(value)} bytes is more than the broker accepts") from error
        except ValueError as error:
            raise Unsendable(f"{event.type} cannot be sent to {event.topic!r}: {error}") from error
        except KafkaError:
            # The producer may hold records that a retry sends again, behind later ones: drop them with it.
            self._drop(producer)
            raise

    def close(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer)

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = checked_producer(self._connect, ACK_DEADLINE_S)
            return self._producer

    def _drop(self, producer: KafkaProducer) -> None:
        with self._lock:
            if self._producer is producer:
                self._producer = None
        close_producer(producer)


def _binary(event: OutgoingEvent) -> tuple[bytes, list[tuple[str, bytes]]]:
    attributes: dict[str, Any] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "specversion": "1.0",
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
        "partitionkey": event.key,
        "causationid": event.caused_by,  # the library leaves out an attribute that is None
        "traceparent": event.traceparent,
    }
    # Encoded here, because the library writes the `str()` of data that is not JSON; bytes it leaves as they are.
    try:
        value = json.dumps(event.data, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Unsendable(f"{event.type} is not JSON: {error}") from error
    try:
        message = to_binary(CloudEvent(attributes, value), JSONFormat())
    except (BaseCloudEventException, UnicodeEncodeError) as error:  # JSON may contain lone surrogates
        raise Unsendable(f"{event.type} is not a CloudEvent: {error}") from error
    return value, list(message.headers.items())
