"""The dead letters of the choreography, for an operator: to look at, and to send to their topics again.

A letter goes back with its own key, value and headers to the topic that it came from. Its event id is unchanged, so
whoever handled the event drops it, and redriving twice is redriving once.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adapters.kafka.connection import DELIVERY_TIMEOUT_S, Headers, KafkaConnection
from adapters.kafka.dead_letters import PREFIX
from adapters.kafka.topics import TOPICS, dead_letters_of, is_dead_letters
from runtime.errors import CannotRun

_POLL_MS = 300
_SILENT_POLLS = 3
"""End offsets are not to be trusted on the embedded broker, so a topic is read until it stays silent."""

_AT_MOST = 10_000
_ANSWER_DEADLINE_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`place` names the letter: topic, partition and offset among the dead letters."""

    place: str
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def story(self) -> dict[str, str]:
        """What was told when it was buried: topic, partition, offset, timestamp, group, error, message, attempts."""
        return {
            name.removeprefix(PREFIX): value.decode(errors="replace")
            for name, value in self.headers
            if name.startswith(PREFIX)
        }

    @property
    def original_headers(self) -> Headers:
        return [(name, value) for name, value in self.headers if not name.startswith(PREFIX)]

    @property
    def event_type(self) -> str:
        return dict(self.headers).get("ce_type", b"").decode(errors="replace")

    @property
    def order_id(self) -> str:
        return (self.key or b"").decode(errors="replace")

    @property
    def whole(self) -> bool:
        """A letter that was too large for its topic came without its value, and cannot go back."""
        return "omitted_bytes" not in self.story


class DeadLetterBox:
    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    def letters(self) -> Sequence[Letter]:
        """All of them, of each partition in the order in which they were buried; 10,000 at most.

        Raises:
            CannotRun: the broker does not answer.
        """
        try:
            with closing(self._reader()) as consumer:
                return _all_of(consumer)
        except KafkaError as away:
            raise CannotRun(f"the dead letters cannot be read: {away!r}") from away

    def redrive(self, letters: Iterable[Letter]) -> int:
        """Send these back, each acknowledged before the next, which keeps the order within a key. Return how many.

        Raises:
            CannotRun: the broker does not answer. What was sent is sent; all may be redriven again.
        """
        sent = 0
        try:
            with closing(self._connection.producer()) as producer:
                for letter in letters:
                    topic = letter.story.get("topic")
                    if letter.whole and topic in TOPICS:
                        sending = producer.send(
                            topic, value=letter.value, key=letter.key, headers=letter.original_headers
                        )
                        sending.get(timeout=DELIVERY_TIMEOUT_S + 1)
                        sent += 1
        except KafkaError as away:
            raise CannotRun(f"the broker faulted after {sent} letters were redriven: {away!r}") from away
        return sent

    def _reader(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            bootstrap_servers=self._connection.bootstrap,
            bootstrap_timeout_ms=_ANSWER_DEADLINE_MS,
            enable_auto_commit=False,
            fetch_max_wait_ms=self._connection.fetch_max_wait_ms,
        )
        topics = map(dead_letters_of, TOPICS)
        consumer.assign(
            [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]
        )
        consumer.seek_to_beginning()
        return consumer


def _all_of(consumer: KafkaConsumer) -> Sequence[Letter]:
    found: list[Letter] = []
    silent = 0
    while silent < _SILENT_POLLS and len(found) < _AT_MOST:
        batch = consumer.poll(timeout_ms=_POLL_MS)
        silent = 0 if batch else silent + 1
        found += [
            Letter(
                place=f"{record.topic}/{record.partition}/{record.offset}",
                timestamp_ms=record.timestamp,
                key=record.key,
                value=record.value,
                headers=[(name, value or b"") for name, value in record.headers],
            )
            for records in batch.values()
            for record in records
            if is_dead_letters(record.topic)
        ]
    return found[:_AT_MOST]
