"""Tests without a broker, of workflows that publish events."""

from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError

from twinsaga_bridges.kafka.outgoing import OutgoingEvent
from twinsaga_bridges.kafka.producer import EventProducer

__all__ = ["RecordedEvents"]


class RecordedEvents(EventProducer):
    """Takes the place of an EventProducer: encodes each event as that does, and keeps it in `events`.

    The first `faults` attempts fail, as while Kafka is away.
    """

    def __init__(self, faults: int = 0) -> None:
        super().__init__(self._connect_to_nothing)
        self.events: list[OutgoingEvent] = []
        self.faults = faults

    def send(self, event: OutgoingEvent) -> None:
        super().send(event)
        self.events.append(event)

    def _connect_to_nothing(self) -> Any:  # noqa: ANN401 - in the place of a KafkaProducer
        return _Acknowledges(self)


class _Acknowledges:
    config = KafkaProducer.DEFAULT_CONFIG | {"acks": "all", "delivery_timeout_ms": 4_000}

    def __init__(self, recorded: RecordedEvents) -> None:
        self._recorded = recorded

    def send(self, *_: object, **__: object) -> "_Acknowledges":
        if self._recorded.faults > 0:
            self._recorded.faults -= 1
            raise KafkaConnectionError
        return self

    def get(self, timeout: float) -> None:
        """The acknowledgement is there at once."""

    def close(self, **_: object) -> None:
        """Nothing is open."""
