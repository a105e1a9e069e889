"""Records of one key are handled in order, records of different keys concurrently; offsets are tracked meanwhile."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from twinsaga_bridges.kafka.records import KafkaRecord

Partition = tuple[str, int]
"""Topic and partition number."""


class OffsetTracker:
    """Tracks the records in flight and the offset up to which each partition may be committed.

    Thread-safe: the consumer's thread adds records, the event loop completes them. A record is recognised by identity:
    a broker that lost its records gives their offsets to others, while the lost ones may still be in flight.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[Partition, int] = {}
        self._in_flight: dict[Partition, dict[int, KafkaRecord]] = {}
        self._completed = 0

    def add(self, record: KafkaRecord) -> None:
        partition = record.topic, record.partition
        with self._lock:
            if record.offset < self._next.get(partition, 0):
                # Delivered again, or another record: kafka-python may go back without a rebalance.
                self._in_flight[partition] = {}
            self._in_flight.setdefault(partition, {})[record.offset] = record
            self._next[partition] = record.offset + 1

    def complete(self, record: KafkaRecord) -> None:
        with self._lock:
            if self._is_in_flight(record):
                del self._in_flight[record.topic, record.partition][record.offset]
                self._completed += 1

    def is_in_flight(self, record: KafkaRecord) -> bool:
        """Return False also for a record whose partition was revoked after it was added."""
        with self._lock:
            return self._is_in_flight(record)

    def retain(self, assigned: set[Partition]) -> None:
        """Drop all other partitions: another member handles and commits their records now."""
        with self._lock:
            for partition in self._next.keys() - assigned:
                del self._next[partition], self._in_flight[partition]

    def committable(self) -> dict[Partition, int]:
        """Return, for each partition, the offset of its first record in flight, or the one after its last record."""
        with self._lock:
            return {partition: min(self._in_flight[partition], default=end) for partition, end in self._next.items()}

    @property
    def in_flight(self) -> int:
        with self._lock:
            return sum(map(len, self._in_flight.values()))

    @property
    def completed(self) -> int:
        """Return how many records were completed so far."""
        with self._lock:
            return self._completed

    def _is_in_flight(self, record: KafkaRecord) -> bool:
        return self._in_flight.get((record.topic, record.partition), {}).get(record.offset) is record


class KeyedQueues:
    """One queue and one asyncio task for each key that has records in flight. Use it on the event loop only."""

    def __init__(self, offsets: OffsetTracker, handle: Callable[[KafkaRecord], Awaitable[None]]) -> None:
        self._offsets = offsets
        self._handle = handle
        self._queues: dict[bytes, deque[KafkaRecord]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, records: Sequence[KafkaRecord]) -> None:
        """Queue the records by key. Records without a key are queued by partition."""
        for record in records:
            key = record.key or f"{record.topic}/{record.partition}".encode()
            if key in self._queues:
                self._queues[key].append(record)
            else:
                self._queues[key] = deque([record])
                # The event loop keeps only a weak reference to a task.
                task = asyncio.create_task(self._drain(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel what is in flight. Its offsets stay uncommitted, so Kafka delivers it again, here or elsewhere."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self, key: bytes) -> None:
        queue = self._queues[key]
        try:
            while queue:
                record = queue.popleft()
                if self._offsets.is_in_flight(record):
                    await self._handle(record)
                    self._offsets.complete(record)
        finally:
            del self._queues[key]
