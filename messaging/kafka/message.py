from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from messaging.kafka.connection import Headers
from messaging.sql.parked import ParkedMessage
from twinsaga_bridges.kafka.records import KafkaRecord
from twinsaga_bridges.kafka.undecodable import record_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """A message as it was in its topic, either just polled or parked before. The timestamp is in ms since 1970.

    Kafka allows null headers; here they are empty. With an `error` it is a dead letter before anything looks at it. An
    UndecodableBatch stands for all messages of the batch: the offset is the last one's, the rest of them is unknown.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    error: Exception | None = None

    @classmethod
    def from_record(cls, record: "ConsumerRecord") -> "IncomingMessage":
        return cls.from_bridge(record_of(record))

    @classmethod
    def from_bridge(cls, record: KafkaRecord) -> "IncomingMessage":
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
            error=record.undecodable,
        )

    def to_record(self) -> KafkaRecord:
        return KafkaRecord(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            timestamp_ms=self.timestamp_ms,
            key=self.key,
            value=self.value,
            headers=tuple(self.headers),
            undecodable=self.error,
        )

    @classmethod
    def from_parked(cls, parked: ParkedMessage) -> "IncomingMessage":
        return cls(
            topic=parked.topic,
            partition=parked.partition,
            offset=parked.offset,
            timestamp_ms=parked.timestamp_ms,
            key=parked.key.encode(),
            value=parked.value,
            headers=parked.headers,
        )


def condemned(message: IncomingMessage, error: Exception) -> IncomingMessage:
    """Return the message as a dead letter."""
    return replace(message, error=message.error or error)


class MessageHandler(Protocol):
    """Handles the messages of a group member. Every method raises one of `delivery.OUTAGES` during an outage."""

    @property
    def seconds_until_retry(self) -> float:
        """Seconds during which `retry_due` has nothing to do."""
        ...

    def handle(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Handle the messages in their order, and yield each one when its offset may be committed."""
        ...

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None: ...

    def check(self) -> None:
        """Return if the outage is over."""
        ...
