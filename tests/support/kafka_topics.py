"""Read and write topics, and read the offsets of groups, with clients that are not ours."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from tests.support.waiting import eventually

SAGA_TOPICS = ("orders", "payments", "inventory", "shipping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def event_id(self) -> str:
        return dict(self.headers).get("ce_id", b"").decode()

    @property
    def event_type(self) -> str:
        return dict(self.headers).get("ce_type", b"").decode()


@contextmanager
def reading(bootstrap: str, *topics: str) -> Iterator[KafkaConsumer]:
    with closing(
        KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=20)
    ) as consumer:
        consumer.assign(
            [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]
        )
        consumer.seek_to_beginning()
        yield consumer


def messages_of(bootstrap: str, order_id: str, *topics: str) -> list[Message]:
    """All records with the order's key."""
    found = records_of(bootstrap, *(topics or SAGA_TOPICS))
    return [record for record in found if record.key == order_id.encode()]


def records_of(bootstrap: str, *topics: str) -> list[Message]:
    """All records of the topics, read from the beginning until no record comes for 0.9 s."""
    found: list[Message] = []
    with reading(bootstrap, *topics) as consumer:
        silent = 0
        while silent < 3:
            batches = consumer.poll(timeout_ms=300)
            silent = 0 if batches else silent + 1
            found += [
                Message(
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                )
                for records in batches.values()
                for record in records
            ]
    return found


def put(
    bootstrap: str, topic: str, value: bytes, key: bytes | None = None, headers: Mapping[str, str] | None = None
) -> dict[TopicPartition, int]:
    """Publish one record as another system would; return the offset after it."""
    encoded = [(name, text.encode()) for name, text in (headers or {}).items()]
    with closing(KafkaProducer(bootstrap_servers=bootstrap, acks="all")) as producer:
        stored = producer.send(topic, value=value, key=key, headers=encoded).get(timeout=20)
    return {TopicPartition(stored.topic, stored.partition): stored.offset + 1}


def send_again(bootstrap: str, messages: list[Message]) -> dict[TopicPartition, int]:
    """Publish the same records again; return the offset after the last one, by partition."""
    ends: dict[TopicPartition, int] = {}
    with closing(KafkaProducer(bootstrap_servers=bootstrap, acks="all")) as producer:
        for message in messages:
            sent = producer.send(message.topic, value=message.value, key=message.key, headers=message.headers)
            stored = sent.get(timeout=20)
            ends[TopicPartition(stored.topic, stored.partition)] = stored.offset + 1
    return ends


def await_committed(bootstrap: str, group: str, ends: dict[TopicPartition, int]) -> None:
    """Wait until the group has committed all records before these offsets, in the partitions that it consumes."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:

        def look() -> bool:
            committed = admin.list_group_offsets(group)[group]
            return all(committed[partition].offset >= end for partition, end in ends.items() if partition in committed)

        eventually(look, f"{group} has committed {ends}")


def await_read(bootstrap: str, group: str, ends: dict[TopicPartition, int]) -> None:
    """Wait until the group, which consumes all of these partitions, has committed all records before these offsets."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:

        def look() -> bool:
            committed = admin.list_group_offsets(group)[group]
            return all(partition in committed and committed[partition].offset >= end for partition, end in ends.items())

        eventually(look, f"{group} has committed {ends}")


def skip_to_end(bootstrap: str, group: str, topic: str) -> None:
    """Commit the end of the topic for a group without members: its records are lost to this group alone."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)) as consumer:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.commit({partition: OffsetAndMetadata(end, "", -1) for partition, end in ends.items()})
