"""Dead letters: a message that another attempt would not help goes to `<topic>.dlq`, unchanged.

Headers with the prefix `dead_letter_` add where the message was, which group gave it up, and why.
"""

from dataclasses import dataclass
from typing import Final, Literal

from kafka.errors import KafkaError

from messaging.errors import Fault
from messaging.ids import correlation_key
from messaging.kafka.connection import Headers, KafkaConnection
from messaging.kafka.message import IncomingMessage
from messaging.kafka.topics import dead_letters_of
from twinsaga_bridges.kafka.dead_letter_topic import PREFIX, DeadLetterTopic

DEAD_LETTER: Final = "dead_letter"


class DeadLettersAway(Fault):
    """The broker did not accept a dead letter; the message stays where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`group` gave it up after `attempts`. `error`: class and text of its last error; `value`: the message's."""

    key: str
    event_type: str
    group: str
    attempts: str
    error: str
    value: bytes | None
    type: Literal["dead_letter"] = DEAD_LETTER


def dead_letter_in(message: IncomingMessage) -> DeadLetter | None:
    """Read a message of a `.dlq` topic. None if its key is not a correlation key, or if it lacks our headers."""
    key, story = correlation_key(message.key), story_of(message.headers)
    if key is None or not story.keys() >= {"group", "attempts", "error", "message"}:
        return None
    return DeadLetter(
        key=key,
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


class DeadLetters:
    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self.group = group
        self._topic = DeadLetterTopic(connection.producer, group=group)

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        """Publish the message as a dead letter; return once the broker has acknowledged it.

        Raises DeadLettersAway: it may be stored or not; burying it again makes a second dead letter at most.
        """
        try:
            self._topic.store(message.to_record(), error, attempts=attempts)
        except KafkaError as fault:
            raise DeadLettersAway(f"{dead_letters_of(message.topic)}: {fault!r}") from fault

    def close(self) -> None:
        self._topic.close()
