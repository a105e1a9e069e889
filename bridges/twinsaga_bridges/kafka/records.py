"""Kafka records. Imports neither Temporal nor a Kafka client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRecord:
    """A record of a topic. The timestamp is in milliseconds since 1970.

    `undecodable`: why no decoder must read it. With an UndecodableBatch it stands for a range of records that cannot be
    read, without key, value and headers.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    undecodable: Exception | None = None

    def header(self, name: str) -> str | None:
        """Return the first header with this name, decoded, or None. Raises UnicodeDecodeError: it is not UTF-8."""
        return next((value.decode() for key, value in self.headers if key == name and value is not None), None)
