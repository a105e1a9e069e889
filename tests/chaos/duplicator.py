"""Publishes a share of all events again: later, and in another order across all topics."""

import random
import threading
from contextlib import closing
from dataclasses import dataclass, field

from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord

from tests.support.kafka_topics import SAGA_TOPICS, reading

LONGEST_DELAY = 40
"""Records that are held back together, at most, before they go out shuffled."""


@dataclass(slots=True)
class Duplicator:
    bootstrap: str
    choose: random.Random
    share: float
    originals: int = 0
    duplicates: int = 0
    _held: list[ConsumerRecord] = field(default_factory=list)
    _seen: set[bytes] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until `stop`; then what is held back goes out too."""
        with (
            reading(self.bootstrap, *SAGA_TOPICS) as consumer,
            closing(KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")) as producer,
        ):
            while not self._stop.is_set():
                batches = consumer.poll(timeout_ms=100)
                for record in (record for records in batches.values() for record in records):
                    self._take(record)
                if len(self._held) > self.choose.randrange(1, LONGEST_DELAY):
                    self._send(producer)
            self._send(producer)

    def stop(self) -> None:
        self._stop.set()

    def _take(self, record: ConsumerRecord) -> None:
        event_id = dict(record.headers)["ce_id"]
        if event_id in self._seen:
            return
        self._seen.add(event_id)
        self.originals += 1
        if self.choose.random() < self.share:
            self._held.append(record)

    def _send(self, producer: KafkaProducer) -> None:
        self.choose.shuffle(self._held)
        for record in self._held:
            producer.send(record.topic, value=record.value, key=record.key, headers=list(record.headers))
        producer.flush(timeout=20)
        self.duplicates += len(self._held)
        self._held.clear()
