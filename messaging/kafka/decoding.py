"""From a Kafka message to what a service reacts to: one decoder for each topic.

A decoder may raise anything. The message is then poison and becomes a dead letter, with its original bytes.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from messaging.events import E, Event
from messaging.kafka.cloudevents import ReceivedEvent, from_message, traceparent_in
from messaging.kafka.dead_letters import dead_letter_in
from messaging.kafka.message import IncomingMessage
from messaging.kafka.origins import is_misplaced, refuse_misplaced
from messaging.sql.inbox import MessageId, message_id_of
from messaging.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A decoded message. The inbox recognises a repetition by `message_id`.

    `traceparent` is W3C Trace Context. `linked`: the trace of a message from outside, which is not the key's.
    """

    message_id: MessageId
    key: str
    event: Event
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


def event_decoder(vocabulary: Vocabulary[Any], ignored: Collection[str], installation: str) -> Decoder:
    """Decode our own events. Those of `ignored` types are not parsed; their headers name the type.

    An event of an unknown type is not ignored: it is poison, and an operator can redrive it after an update. So is one
    whose type, topic, source and installation do not belong together.
    """

    def decode_event(message: IncomingMessage) -> Received | None:
        if refuse_misplaced(vocabulary, message.topic, message.headers, installation) in ignored:
            return None
        return received_event(vocabulary, message)

    return decode_event


def received_event(vocabulary: Vocabulary[Any], message: IncomingMessage) -> Received:
    """Decode a CloudEvent with an event of the vocabulary; raises as `from_message` does."""
    return received(from_message(vocabulary, message.key, message.value, message.headers))


def read_own_event(vocabulary: Vocabulary[E], message: IncomingMessage, installation: str) -> ReceivedEvent[E]:
    """Read an event of one of our services; raises as `refuse_misplaced` and `from_message` do."""
    refuse_misplaced(vocabulary, message.topic, message.headers, installation)
    return from_message(vocabulary, message.key, message.value, message.headers)


def dead_letter_decoder(vocabulary: Vocabulary[Any], installation: str) -> Decoder:
    """Decode dead letters of any service. One without a correlation key, or without our headers, is ignored."""

    def decode_dead_letter(message: IncomingMessage) -> Received | None:
        letter = dead_letter_in(message)
        if letter is None or is_misplaced(vocabulary, message, installation):
            return None
        # The offset alone would not do: a broker that lost its messages gives the same offset to another letter.
        message_id = f"{message.topic}/{message.partition}/{message.offset}@{message.timestamp_ms}"
        return Received(
            message_id=MessageId(message_id),
            key=letter.key,
            event=letter,
            traceparent=traceparent_in(message.headers),
        )

    return decode_dead_letter


def received(event: ReceivedEvent[Any]) -> Received:
    message_id = message_id_of(event.source, event.recorded.event_id)
    return Received(message_id=message_id, key=event.key, event=event.recorded.event, traceparent=event.traceparent)
