"""How far a consumer group is behind, measured from outside, so that a member that hangs is measured too."""

from collections.abc import Collection, Mapping
from contextlib import closing

from kafka import TopicPartition

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.consumer_workarounds import end_offsets

_DEADLINE_S = 2.0


class GroupLag:
    def __init__(self, connection: KafkaConnection, group: str, topics: Collection[str]) -> None:
        self._connection = connection
        self._group = group
        self._topics = sorted(topics)

    def measure(self) -> Mapping[TopicPartition, int]:
        """Uncommitted messages by partition; without a committed offset, all of them. Raises KafkaError: no answer."""
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
            reader.assign(partitions)
            for partition in partitions:
                reader.seek(partition, starts[partition])
            ends = end_offsets(reader, partitions, _DEADLINE_S)
        return {partition: max(0, ends[partition] - starts[partition]) for partition in partitions}
