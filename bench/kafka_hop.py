"""One hop of the raw chain: `python -m bench.kafka_hop NUMBER`. It takes a record and sends it on."""

import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer

from bench.kafka_records import stamped, topic
from runtime.kafka import kafka_connection
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.stopping import stop_event

POLL_MS = 250
ACK_S = 10.0


def main(settings: Settings, number: int) -> None:
    stop = stop_event()
    connection = kafka_connection(settings)
    consumer, producer = connection.consumer(f"bench-hop-{number}"), connection.producer()
    try:
        consumer.subscribe([topic(number - 1)])
        while not stop.is_set() and not consumer.assignment():
            consumer.poll(timeout_ms=POLL_MS)
        announce_ready(settings)
        _hop(consumer, producer, topic(number), stop)
    finally:
        consumer.close(autocommit=False, timeout_ms=1_000)
        producer.close(timeout=1.0)


def _hop(consumer: KafkaConsumer, producer: KafkaProducer, target: str, stop: threading.Event) -> None:
    while not stop.is_set():
        batch = consumer.poll(timeout_ms=POLL_MS)
        taken = time.time_ns()
        records = [record for partition in batch.values() for record in partition]
        sent = [producer.send(target, key=record.key, value=stamped(record.value, taken)) for record in records]
        for future in sent:
            future.get(timeout=ACK_S)
        if records:
            consumer.commit()


if __name__ == "__main__":
    main(load_settings(), int(sys.argv[1]))
