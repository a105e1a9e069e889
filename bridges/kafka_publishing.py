"""The activity behind `publish`, and the plugin that brings it to a worker."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from kafka import KafkaProducer
from kafka.errors import KafkaError
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin

ACTIVITY = "publish_to_kafka"
ACK_DEADLINE_S = 10.0
"""Longer than the producer's own delivery timeout has to be: a record must have failed before it may be sent again."""

_EVENTS = UUID("0f3b6e58-2f0c-5d0a-9a43-6d0ef3e6b7c1")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEvent:
    """A CloudEvent to be. `data` is JSON. `id` is derived from the workflow when it is None."""

    topic: str
    key: str
    type: str
    source: str
    data: Any
    id: str | None = None


class KafkaPublishing:
    """`connect` makes an idempotent producer with acks=all and a delivery timeout below ACK_DEADLINE_S."""

    def __init__(self, connect: Callable[[], KafkaProducer]) -> None:
        self._connect = connect
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()

    @activity.defn(name=ACTIVITY)
    def publish(self, event: OutgoingEvent) -> str:
        """Return the event's id once every replica that has to has it.

        Raises:
            KafkaError: it is not stored, or nobody knows; the retry bears the same id.
        """
        value = _encoded(event)
        event_id = event.id or _id_of_this_activity()
        headers = {
            "ce_specversion": "1.0",
            "ce_id": event_id,
            "ce_type": event.type,
            "ce_source": event.source,
            "ce_time": datetime.now(UTC).isoformat(),
            "ce_partitionkey": event.key,
            "content-type": "application/json",
        }
        producer = self._connected()
        try:
            sent = producer.send(
                event.topic,
                key=event.key.encode(),
                value=value,
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
            sent.get(timeout=ACK_DEADLINE_S)
        except KafkaError:
            self._give_up(producer)
            raise
        return event_id

    def close(self) -> None:
        with self._lock:
            if self._producer is not None:
                self._producer.close(timeout=1.0)

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
        try:
            producer.close(timeout=0.5)
        except KafkaError:
            activity.logger.warning("a producer did not close in time")


class KafkaPublishingPlugin(SimplePlugin):
    """Give it to the Worker, or to the Client from which workers are made."""

    def __init__(self, publishing: KafkaPublishing) -> None:
        super().__init__("bridges.KafkaPublishingPlugin", activities=[publishing.publish])


def _id_of_this_activity() -> str:
    """The same in every attempt of the activity, and in no other activity."""
    info = activity.info()
    return str(uuid5(_EVENTS, f"{info.workflow_id}\n{info.workflow_run_id}\n{info.activity_id}"))


def _encoded(event: OutgoingEvent) -> bytes:
    try:
        return json.dumps(event.data, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ApplicationError(f"{event.type} is no JSON: {error}", type="NotJson", non_retryable=True) from error
