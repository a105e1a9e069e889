"""Dead letters: a message that another attempt would not help goes to `<topic>.dlq`, unchanged.

Headers with the prefix `dead_letter_` add where the message was, which group gave it up, and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from uuid import UUID

from kafka import KafkaProducer
from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from adapters.kafka.connection import DELIVERY_TIMEOUT_S, Headers, KafkaConnection
from adapters.kafka.message import IncomingMessage
from adapters.kafka.topics import dead_letters_of
from domain.errors import Fault
from domain.ids import OrderId
from twinsaga_bridges.kafka.closing import close_producer
from twinsaga_bridges.kafka.undecodable import UndecodableBatch

DEAD_LETTER: Final = "dead_letter"
PREFIX = "dead_letter_"
REFUSED = (InvalidRecordError, MessageSizeTooLargeError, RecordListTooLargeError)
"""The broker takes other records, but not this one."""

_LONGEST_ERROR = 2_000
"""Characters."""


Story = list[tuple[str, bytes]]
"""Headers that say where a message was and why it is a dead letter."""


class DeadLettersAway(Fault):
    """The broker did not accept a dead letter; the message stays where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`group` gave it up after `attempts`. `error`: class and text of its last error; `value`: the message's."""

    order_id: OrderId
    event_type: str
    group: str
    attempts: str
    error: str
    value: bytes | None
    type: Literal["dead_letter"] = DEAD_LETTER


def dead_letter_in(message: IncomingMessage) -> DeadLetter | None:
    """Read a message of a `.dlq` topic. None if it belongs to no order or lacks our headers."""
    order_id, story = order_id_of(message.key), story_of(message.headers)
    if order_id is None or not story.keys() >= {"group", "attempts", "error", "message"}:
        return None
    return DeadLetter(
        order_id=order_id,
        event_type=dict(message.headers).get("ce_type", b"message").decode(errors="replace"),
        group=story["group"],
        attempts=story["attempts"],
        error=f"{story['error']}: {story['message']}",
        value=message.value,
    )


def story_of(headers: Headers) -> dict[str, str]:
    """Headers of a dead letter without their prefix: topic, partition, offset, timestamp, group, error, ..."""
    return {
        name.removeprefix(PREFIX): value.decode(errors="replace") for name, value in headers if name.startswith(PREFIX)
    }


def order_id_of(key: bytes | None) -> OrderId | None:
    """None if the message's key is not an order id."""
    try:
        return OrderId(str(UUID((key or b"").decode())))
    except ValueError:
        return None


class _Letter(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def _omitted(size: int) -> tuple[str, bytes]:
    return f"{PREFIX}omitted_bytes", str(size).encode()


class DeadLetters:
    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._connection = connection
        self._group = group
        self._producer: KafkaProducer | None = None

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        """Publish the message as a dead letter; return once the broker has acknowledged it.

        Raises DeadLettersAway: it may be stored or not; burying it again makes a second dead letter at most.
        """
        topic = dead_letters_of(message.topic)
        letters = self._letters(message, self._story(message, error, attempts))
        for smaller, letter in enumerate(letters, start=1):
            try:
                self._send(topic, letter)
            except KafkaError as fault:
                # kafka-python: after the broker has refused a record, its producer cannot send the next one.
                self.close()
                if not isinstance(fault, REFUSED) or smaller == len(letters):
                    raise DeadLettersAway(f"{topic}: {fault!r}") from fault
            else:
                return

    def close(self) -> None:
        """Close the producer; the next dead letter opens another one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer)

    def _letters(self, message: IncomingMessage, story: Story) -> Sequence[_Letter]:
        """The letter, and smaller ones for a broker that finds it too large: without its value, with nothing but story.

        The story makes a message larger that just fitted before, and a topic may take larger messages than its `.dlq`.
        """
        value, key = message.value, message.key
        if key is None and value is None:
            key = b""  # kafka-python sends no record without both
        if isinstance(message.error, UndecodableBatch):
            return [_Letter(key, None, [*story, _omitted(message.error.size)])]
        omitted = _omitted(len(value or b""))
        return [
            _Letter(key, value, [*message.headers, *story]),
            _Letter(key or b"", None, [*message.headers, *story, omitted]),
            _Letter(b"", None, [*story, omitted]),
        ]

    def _send(self, topic: str, letter: _Letter) -> None:
        if self._producer is None:
            self._producer = self._connection.producer()
        sent = self._producer.send(topic, value=letter.value, key=letter.key, headers=letter.headers)
        # The producer's own timeout is shorter: a record must have failed before a retry may send it again.
        sent.get(timeout=DELIVERY_TIMEOUT_S + 1)

    def _story(self, message: IncomingMessage, error: Exception, attempts: int) -> Story:
        story = {
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "timestamp": message.timestamp_ms,
            "group": self._group,
            "error": type(error).__name__,
            "message": str(error)[:_LONGEST_ERROR],
            "attempts": attempts,
        }
        if isinstance(message.error, UndecodableBatch):
            story["first_offset"] = message.error.first
        # An error may quote its input, and text from JSON may contain surrogates, which UTF-8 cannot encode.
        return [(f"{PREFIX}{name}", str(value).encode(errors="backslashreplace")) for name, value in story.items()]
