"""Reads records of the services' topics for the bridge, as strictly as the services do."""

import json

from adapters.settlements import read_settlement
from domain.events import Event
from messaging.kafka.cloudevents import ReceivedEvent
from messaging.kafka.decoding import read_own_event
from messaging.kafka.message import IncomingMessage
from services.vocabulary import ORDER_EVENTS
from twinsaga_bridges.kafka_into_workflow import Decoder, IncomingEvent, KafkaRecord


def own_events(installation: str) -> Decoder:
    """Decode the events of our services. `installation`: see `refuse_misplaced`."""

    def read(record: KafkaRecord) -> IncomingEvent:
        return _incoming(read_own_event(ORDER_EVENTS, IncomingMessage.from_bridge(record), installation), record)

    return read


def settlements(record: KafkaRecord) -> IncomingEvent:
    """Decode a settlement of the payment gateway. Its key is the order, though the record's is arbitrary."""
    return _incoming(read_settlement(IncomingMessage.from_bridge(record)), record)


def _incoming(received: ReceivedEvent[Event], record: KafkaRecord) -> IncomingEvent:
    recorded = received.recorded
    return IncomingEvent(
        id=recorded.event_id,
        source=received.source,
        type=recorded.event.type,
        key=received.key,
        data=json.loads(record.value or b""),
        record=record,
    )
