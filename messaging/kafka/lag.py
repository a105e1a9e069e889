"""How far consumer groups are behind, measured from outside, so that a member that hangs is measured too."""

import time
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import closing
from typing import Generic, NamedTuple, TypeVar

from kafka import TopicPartition

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.consumer_workarounds import end_offsets

STALLED_S = 60.0
"""A consumer that handles its messages commits at least this often, even if each of them takes long."""

_DEADLINE_S = 2.0

P = TypeVar("P", bound=Hashable)


class Position(NamedTuple):
    """`committed`: the first message that the group has not handled; `end`: the one that comes next."""

    committed: int
    end: int

    @property
    def waiting(self) -> int:
        return max(0, self.end - self.committed)


class GroupLag:
    def __init__(self, connection: KafkaConnection, group: str, topics: Collection[str]) -> None:
        self._connection = connection
        self._group = group
        self._topics = sorted(topics)

    def measure(self) -> Mapping[TopicPartition, int]:
        """Uncommitted messages by partition; without a committed offset, all of them. Raises KafkaError: no answer."""
        return {partition: position.waiting for partition, position in self.positions().items()}

    def positions(self) -> Mapping[TopicPartition, Position]:
        """Raises KafkaError: no answer."""
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
        return {partition: Position(starts[partition], ends[partition]) for partition in partitions}


class Stalls(Generic[P]):
    """How long partitions have stood still while messages wait in them. Measure more often than every STALLED_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[P, tuple[int, float]] = {}

    def note(self, positions: Mapping[P, Position]) -> Mapping[P, float]:
        """Return for each partition the seconds since its committed offset moved, or since a message waits; else 0."""
        now = self._clock()
        # An offset that goes back has moved, too: the messages are read again.
        before, self._since = self._since, {}
        stood = dict.fromkeys(positions, 0.0)
        for partition, at in positions.items():
            if at.waiting:
                committed, since = before.get(partition, (None, now))
                since = since if committed == at.committed else now
                self._since[partition] = at.committed, since
                stood[partition] = now - since
        return stood
