from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adapters.kafka.connection import Headers
from adapters.sql.parked import ParkedMessage

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """A message as Kafka gave it, whether it came just now or was parked. The timestamp is in ms since 1970.

    A header may be null in Kafka; here it is empty.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def from_record(cls, record: "ConsumerRecord") -> "IncomingMessage":
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
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


class Deciding(Protocol):
    """What a member of a group does with its messages; see `together.Together`."""

    @property
    def seconds_until_next(self) -> float: ...

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]: ...

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None: ...

    def check(self) -> None: ...
