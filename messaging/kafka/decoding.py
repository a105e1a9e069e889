"""From a Kafka message to what a service reacts to: one decoder for each topic.

A decoder may raise anything. The message is then poison and becomes a dead letter, with its original bytes.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from adapters.codec import UndecodableEvent
from domain.events import Event
from messaging.kafka.cloudevents import NotACloudEvent, ReceivedEvent, from_message, traceparent_in, type_header
from messaging.kafka.dead_letters import DeadLetter, dead_letter_in, order_id_of
from messaging.kafka.message import IncomingMessage
from messaging.kafka.origins import is_misplaced, refuse_misplaced
from messaging.kafka.topics import SETTLED
from messaging.sql.inbox import MessageId, message_id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A decoded message. The inbox recognises a repetition by `message_id`.

    `traceparent` is W3C Trace Context. `linked`: the trace of a message from outside, which is not the order's.
    """

    message_id: MessageId
    event: Event | DeadLetter
    traceparent: str | None = None
    linked: str | None = None


Decoder = Callable[[IncomingMessage], Received | None]
"""None: the service does not react to this message."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message and either what was `received`, or the `error` that makes it poison, or neither: no reaction."""

    message: IncomingMessage
    received: Received | None = None
    error: Exception | None = None

    @property
    def needs_handling(self) -> bool:
        return self.received is not None or self.error is not None


def decode(message: IncomingMessage, decoders: Mapping[str, Decoder]) -> Decoded:
    """Decode with the decoder of the message's topic; never raises."""
    try:
        return Decoded(message, received=decoders[message.topic](message))
    except Exception as error:  # noqa: BLE001 - input from outside: whatever it raises costs this message alone
        return Decoded(message, error=error)


def event_decoder(ignored: Collection[str], installation: str) -> Decoder:
    """Decode our own events. Those of `ignored` types are not parsed; their headers name the type.

    An event of an unknown type is not ignored: it is poison, and an operator can redrive it after an update. So is one
    whose type, topic, source and installation do not belong together.
    """

    def decode_event(message: IncomingMessage) -> Received | None:
        if refuse_misplaced(message.topic, message.headers, installation) in ignored:
            return None
        return received_event(message)

    return decode_event


def received_event(message: IncomingMessage) -> Received:
    """Decode a CloudEvent with one of our events; raises as `from_message` does."""
    return _received(from_message(message.key, message.value, message.headers))


def read_own_event(message: IncomingMessage, installation: str) -> ReceivedEvent:
    """Read an event of one of our services; raises as `refuse_misplaced` and `from_message` do."""
    refuse_misplaced(message.topic, message.headers, installation)
    return from_message(message.key, message.value, message.headers)


def decode_settlement(message: IncomingMessage) -> Received:
    """Decode the gateway's CloudEvent; raises as `read_settlement` does."""
    received = _received(read_settlement(message))
    return replace(received, traceparent=None, linked=received.traceparent)


def read_settlement(message: IncomingMessage) -> ReceivedEvent:
    """Read the gateway's CloudEvent, whose data is `{order_id}` without our tag, and whose key is arbitrary.

    Raises NotACloudEvent: its type or attributes are wrong; UndecodableEvent: its data is wrong.
    """
    if type_header(message.headers) != SETTLED:
        raise NotACloudEvent(f"the type is not {SETTLED}")
    order_id = _settled_order(message.value)
    headers = dict(message.headers)
    if "ce_time" not in headers:  # optional in CloudEvents, required in ours
        headers["ce_time"] = datetime.fromtimestamp(message.timestamp_ms / 1000, UTC).isoformat().encode()
    ours = json.dumps({"order_id": order_id, "type": SETTLED}).encode()
    return from_message(order_id.encode(), ours, tuple(headers.items()))


def dead_letter_decoder(installation: str) -> Decoder:
    """Decode dead letters of any service. One that belongs to no order, or lacks our headers, is ignored."""

    def decode_dead_letter(message: IncomingMessage) -> Received | None:
        letter = dead_letter_in(message)
        if letter is None or is_misplaced(message, installation):
            return None
        # The offset alone would not do: a broker that lost its messages gives the same offset to another letter.
        message_id = f"{message.topic}/{message.partition}/{message.offset}@{message.timestamp_ms}"
        return Received(message_id=MessageId(message_id), event=letter, traceparent=traceparent_in(message.headers))

    return decode_dead_letter


def _received(event: ReceivedEvent) -> Received:
    message_id = message_id_of(event.source, event.recorded.event_id)
    return Received(message_id=message_id, event=event.recorded.event, traceparent=event.traceparent)


def _settled_order(value: bytes | None) -> str:
    try:
        data = json.loads(value or b"")
    except ValueError as error:
        raise UndecodableEvent("not JSON") from error
    order_id = data.get("order_id") if isinstance(data, dict) else None
    if not isinstance(order_id, str) or order_id_of(order_id.encode(errors="replace")) != order_id:
        raise UndecodableEvent("order_id is missing, or not the id of an order")
    return order_id
