"""A consumer or producer whose options would lose records is refused, with what to change."""

from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.serializer import DefaultSerializer

from twinsaga_bridges.kafka.connection import RejoiningConsumer, check_consumer, checked_producer
from twinsaga_bridges.kafka_into_workflow import UnsuitableClient

OFFLINE = {"bootstrap_servers": "127.0.0.1:1", "api_version": (2, 8)}
SUITABLE = {
    "group_id": "g",
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "max_poll_records": 100_000,
}


def test_the_defaults_of_kafka_python_are_refused_with_all_that_is_to_change() -> None:
    with closing(KafkaConsumer(**OFFLINE)) as consumer, pytest.raises(UnsuitableClient) as refused:
        check_consumer(consumer)
    for option in ("group_id", "enable_auto_commit", "auto_offset_reset", "max_poll_records", "RejoiningConsumer"):
        assert option in str(refused.value)
    assert "use KafkaConnection(...).consumer(group)" in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"enable_auto_commit": True},
        {"auto_offset_reset": "latest"},
        {"max_poll_records": 500},
        {"value_deserializer": DefaultSerializer()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_one_option_is_enough_to_refuse_a_consumer(change: dict[str, Any]) -> None:
    with closing(RejoiningConsumer(**OFFLINE, **SUITABLE)) as consumer:
        check_consumer(consumer)
    with (
        closing(RejoiningConsumer(**OFFLINE, **(SUITABLE | change))) as consumer,
        pytest.raises(UnsuitableClient, match=next(iter(change))),
    ):
        check_consumer(consumer)


def test_a_producer_that_outlives_its_deadline_is_refused() -> None:
    with pytest.raises(UnsuitableClient, match="delivery_timeout_ms must be below 10,000"):
        checked_producer(lambda: KafkaProducer(**OFFLINE), 10.0)
    with pytest.raises(UnsuitableClient, match="acks"):
        checked_producer(lambda: KafkaProducer(**OFFLINE, acks=1, enable_idempotence=False), 10.0)
