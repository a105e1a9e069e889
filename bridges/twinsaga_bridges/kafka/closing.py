"""Closes a producer of kafka-python. Imports no Temporal, so that processes without it may use it."""

from kafka import KafkaProducer
from kafka.errors import KafkaError

_CLOSE_S = 0.5


def close_producer(producer: KafkaProducer) -> None:
    try:
        producer.close(timeout=_CLOSE_S)
    except KafkaError:
        # With records left, close() raises before it stops the sender thread, which would then run for ever.
        producer._sender.force_close()  # noqa: SLF001
