"""How far a consumer group is behind, seen from outside of it, so that a member that stands still is seen too."""

import time
from collections.abc import Collection, Mapping
from contextlib import closing

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from adapters.kafka.connection import KafkaConnection

_DEADLINE_S = 2.0
_POLL_MS = 50


class GroupLag:
    def __init__(self, connection: KafkaConnection, group: str, topics: Collection[str]) -> None:
        self._connection = connection
        self._group = group
        self._topics = sorted(topics)

    def measure(self) -> Mapping[TopicPartition, int]:
        """By partition, the messages that the group has not committed: all of them where it never committed any.

        Raises:
            kafka.errors.KafkaError: the broker did not answer in time, or refused.
        """
        with closing(self._connection.admin(_DEADLINE_S)) as admin:
            committed = admin.list_group_offsets(self._group).get(self._group, {})
        with closing(self._connection.reader()) as reader:
            partitions = [
                TopicPartition(topic, number)
                for topic in self._topics
                for number in sorted(reader.partitions_for_topic(topic) or ())
            ]
            starts = reader.beginning_offsets([partition for partition in partitions if partition not in committed])
            starts |= {partition: committed[partition].offset for partition in partitions if partition in committed}
            ends = _ends_after(reader, starts)
        return {partition: max(0, ends[partition] - starts[partition]) for partition in partitions}


def _ends_after(reader: KafkaConsumer, starts: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
    """Fetch once from each start: the end that comes with the answer is right on every broker.

    Asked for by itself, the embedded broker gives the offset at which its last batch begins.
    """
    reader.assign(list(starts))
    for partition, offset in starts.items():
        reader.seek(partition, offset)
    give_up_at = time.monotonic() + _DEADLINE_S
    while True:
        ends = {partition: reader.highwater(partition) for partition in starts}
        if None not in ends.values():
            return ends
        if time.monotonic() > give_up_at:
            raise KafkaTimeoutError(f"the ends of the partitions are not known within {_DEADLINE_S} s")
        reader.poll(timeout_ms=_POLL_MS)
