"""One topic, seen from outside the services: read all of its messages, publish another one."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from unittest.mock import patch

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from domain.events import Event
from messaging.events import RecordedEvent
from messaging.kafka.cloudevents import to_message
from services.vocabulary import ORDER_EVENTS
from tests.support.waiting import eventually

GARBLED = patch("kafka.record.default_records.lz4_encode", lambda _: b"no frame of LZ4")
"""While it lasts, every producer of this process that compresses with LZ4 sends what no consumer can decode."""


@dataclass(frozen=True, slots=True)
class Topic:
    bootstrap: str
    name: str

    def put(self, value: bytes | None, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap)) as producer:
            producer.send(self.name, value=value, key=key, headers=list(headers)).get(timeout=10)

    def put_large(self, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Like `put`, with a producer that accepts messages up to 64 MiB."""
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=64 * 1024 * 1024)) as producer:
            producer.send(self.name, value=value, key=key, headers=list(headers)).get(timeout=20)

    def put_garbled(self, *, records: int = 3) -> None:
        """Publish one batch that says that it is compressed with LZ4, and is not."""
        options = {"bootstrap_servers": self.bootstrap, "compression_type": "lz4", "linger_ms": 500}
        with GARBLED, closing(KafkaProducer(**options)) as producer:
            sent = [producer.send(self.name, key=b"k", value=b"v", partition=0) for _ in range(records)]
            producer.flush(10)
        offsets = [each.get(timeout=10).offset for each in sent]
        assert offsets == list(range(offsets[0], offsets[0] + records))

    def put_event(self, recorded: RecordedEvent[Event]) -> None:
        message = to_message(ORDER_EVENTS.write(recorded), None)
        self.put(message.value, message.key, message.headers)

    def await_messages(self, count: int) -> list[ConsumerRecord]:
        """Return all messages as soon as there are at least `count`."""
        with closing(KafkaConsumer(bootstrap_servers=self.bootstrap, fetch_max_wait_ms=10)) as consumer:
            partitions = consumer.partitions_for_topic(self.name) or ()
            consumer.assign([TopicPartition(self.name, number) for number in partitions])
            consumer.seek_to_beginning()
            found: list[ConsumerRecord] = []

            def look() -> bool:
                found.extend(record for some in consumer.poll(timeout_ms=50).values() for record in some)
                return len(found) >= count

            eventually(look, f"{count} messages in {self.name}")
            return found
