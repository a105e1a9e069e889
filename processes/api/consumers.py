"""Watches the consumer groups for `/readyz`: one that hangs, or that cannot pass a message, says nothing itself."""

import threading
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.lag import STALLED_S, GroupLag, Stalls

LOOK_EVERY_S = 20.0


class PartitionStalled(Exception):
    """A group has messages, and its committed offset has not moved for a minute."""


class ConsumerWatch:
    """`groups`: the topics that each group reads."""

    def __init__(
        self,
        connection: KafkaConnection,
        groups: Mapping[str, Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups = {group: GroupLag(connection, group, topics) for group, topics in groups.items()}
        self._stalls: Stalls[tuple[str, TopicPartition]] = Stalls(clock)
        self._stalled: Mapping[tuple[str, TopicPartition], float] = {}
        self._log = structlog.get_logger(__name__)

    async def ask(self) -> None:
        """Raises PartitionStalled."""
        if self._stalled:
            raise PartitionStalled

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        try:
            positions = {
                (group, partition): position
                for group, lag in self._groups.items()
                for partition, position in lag.positions().items()
            }
        except KafkaError as away:  # the probe of Kafka reports it, and nothing can move meanwhile
            self._log.info("consumers are not measured", error=repr(away))
            positions = {}
        stood = self._stalls.note(positions)
        self._stalled = {place: seconds for place, seconds in stood.items() if seconds >= STALLED_S}
        for (group, partition), seconds in self._stalled.items():
            self._log.error(
                "stalled", group=group, topic=partition.topic, partition=partition.partition, seconds=round(seconds)
            )
