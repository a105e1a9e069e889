"""One hop of the raw chain: `python -m bench.kafka_hop NUMBER`. It receives a record, stamps it and sends it on.

A record is as large as an event of ours, and carries the time at which it was sent and received by each hop.
"""

import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer

from runtime.kafka import kafka_connection
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.stopping import stop_event

HOPS = 5
PAYLOAD_BYTES = 700
"""About the size of `payment.completed` of an order with one line."""

POLL_MS = 250
ACK_S = 10.0


def chain_topic(number: int) -> str:
    """Return the topic to which hop `number` sends; 0 is the beginning of the chain."""
    return f"bench-chain-{number}"


def first_record(sent_ns: int) -> bytes:
    return b"x" * PAYLOAD_BYTES + b"\n%d" % sent_ns


def stamps(record: bytes) -> list[int]:
    """Return when the record was sent, and when each hop received it, in nanoseconds since 1970."""
    return [int(stamp) for stamp in record.rpartition(b"\n")[2].split()]


def main(settings: Settings, number: int) -> None:
    stop = stop_event()
    connection = kafka_connection(settings)
    consumer, producer = connection.consumer(f"bench-hop-{number}"), connection.producer()
    try:
        consumer.subscribe([chain_topic(number - 1)])
        # Ready only with partitions: a record sent before the group is formed would wait for the rebalance.
        while not stop.is_set() and not consumer.assignment():
            consumer.poll(timeout_ms=POLL_MS)
        announce_ready(settings)
        _forward(consumer, producer, chain_topic(number), stop)
    finally:
        consumer.close(autocommit=False, timeout_ms=1_000)
        producer.close(timeout=1.0)


def _forward(consumer: KafkaConsumer, producer: KafkaProducer, target: str, stop: threading.Event) -> None:
    while not stop.is_set():
        batch = consumer.poll(timeout_ms=POLL_MS)
        received = time.time_ns()
        records = [record for partition in batch.values() for record in partition]
        sent = [producer.send(target, key=record.key, value=record.value + b" %d" % received) for record in records]
        # As our services do: commit the offset only after the broker has acknowledged what was sent.
        for future in sent:
            future.get(timeout=ACK_S)
        if records:
            consumer.commit()


if __name__ == "__main__":
    main(load_settings(), int(sys.argv[1]))
