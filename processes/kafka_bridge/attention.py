"""Signals the witness that its order needs attention. Only the dead letter of a refund shows it; no event does."""

from choreography.routing import GIVEN_UP_NEEDS_ATTENTION
from messaging.kafka.dead_letters import dead_letter_in
from messaging.kafka.message import IncomingMessage
from messaging.kafka.origins import is_misplaced
from sagas.witness import WitnessedEvent
from services.vocabulary import ORDER_EVENTS
from twinsaga_bridges.kafka.dead_letter_topic import PREFIX
from twinsaga_bridges.kafka_into_workflow import Decoder, IncomingEvent, KafkaRecord
from workflows.witnessed_steps import NEEDS_ATTENTION

_OTHER = "dead letter"
"""Has no route: other dead letters do not concern the witness."""


def attention_letters(installation: str) -> Decoder:
    """Decode dead letters. A letter's place is its id. The error's text is left out: it may contain personal data."""

    def read(record: KafkaRecord) -> IncomingEvent:
        message = IncomingMessage.from_bridge(record)
        letter = None if is_misplaced(ORDER_EVENTS, message, installation) else dead_letter_in(message)
        if letter is None or letter.event_type not in GIVEN_UP_NEEDS_ATTENTION.get(letter.group, ()):
            return IncomingEvent(id=_place(record), type=_OTHER, key="", data=None, record=record)
        error = record.header(f"{PREFIX}error")
        says = f"{letter.group} gave up on `{letter.event_type}` after {letter.attempts} attempts ({error})"
        data = {"order_id": letter.key, "says": says}
        return IncomingEvent(id=_place(record), type=NEEDS_ATTENTION, key=letter.key, data=data, record=record)

    return read


def attention_to(event: IncomingEvent) -> WitnessedEvent:
    return WitnessedEvent(
        event_id=event.id, caused_by=event.record.header("ce_id"), owed_by="an operator", says=event.data["says"]
    )


def _place(record: KafkaRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
