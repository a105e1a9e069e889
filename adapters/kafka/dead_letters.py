"""Dead letters: messages that no further attempt will help go to `<topic>.dlq`, whole, with the story of their end."""

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from adapters.kafka.connection import DELIVERY_TIMEOUT_S, KafkaConnection
from adapters.kafka.message import IncomingMessage
from adapters.kafka.topics import dead_letters_of
from domain.errors import Fault
from twinsaga_bridges.kafka.producer import close_producer

PREFIX = "dead_letter_"
_LONGEST_ERROR = 2_000


class DeadLettersAway(Fault):
    """The broker did not take a dead letter; the message stays where it is."""


class DeadLetters:
    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._connection = connection
        self._group = group
        self._producer: KafkaProducer | None = None

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        """Return once the broker has it.

        Raises:
            DeadLettersAway: it may have it or not; burying it again makes a second dead letter at most.
        """
        headers = [*message.headers, *self._story(message, error, attempts)]
        topic = dead_letters_of(message.topic)
        try:
            try:
                self._send(topic, message.key, message.value, headers)
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                size = str(len(message.value or b"")).encode()
                self._send(topic, message.key, None, [*headers, (f"{PREFIX}omitted_bytes", size)])
        except KafkaError as away:
            self.close()
            raise DeadLettersAway(f"{topic}: {away}") from away

    def close(self) -> None:
        """Give the producer up; the next dead letter makes another one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer)

    def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        if self._producer is None:
            self._producer = self._connection.producer()
        # The future ends before this wait does: a record must not be sent again while the first still waits its turn.
        self._producer.send(topic, value=value, key=key, headers=headers).get(timeout=DELIVERY_TIMEOUT_S + 1)

    def _story(self, message: IncomingMessage, error: Exception, attempts: int) -> list[tuple[str, bytes]]:
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
        return [(f"{PREFIX}{name}", str(value).encode()) for name, value in story.items()]
