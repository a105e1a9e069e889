"""Keys side by side, each in order; and how far each partition is done."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from twinsaga_bridges.kafka.events import KafkaRecord

Partition = tuple[str, int]
"""Topic and number."""


class Marks:
    """How far each partition is done: everything before its mark is, so the mark may be committed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[Partition, int] = {}
        self._open: dict[Partition, set[int]] = {}

    def taken(self, record: KafkaRecord) -> None:
        partition = record.topic, record.partition
        with self._lock:
            self._open.setdefault(partition, set()).add(record.offset)
            self._next[partition] = max(self._next.get(partition, 0), record.offset + 1)

    def done(self, record: KafkaRecord) -> None:
        with self._lock:
            self._open.get((record.topic, record.partition), set()).discard(record.offset)

    def owned(self, record: KafkaRecord) -> bool:
        with self._lock:
            return record.offset in self._open.get((record.topic, record.partition), ())

    def forget_all_but(self, assigned: set[Partition]) -> None:
        """What another member has now is no longer ours to do or to commit."""
        with self._lock:
            for partition in self._next.keys() - assigned:
                del self._next[partition], self._open[partition]

    def committable(self) -> dict[Partition, int]:
        with self._lock:
            return {partition: min(self._open[partition], default=end) for partition, end in self._next.items()}

    @property
    def open(self) -> int:
        with self._lock:
            return sum(map(len, self._open.values()))


class Lanes:
    """One task for each key that has records waiting; it lives as long as there are any."""

    def __init__(self, marks: Marks, handle: Callable[[KafkaRecord], Awaitable[None]]) -> None:
        self._marks = marks
        self._handle = handle
        self._waiting: dict[bytes, deque[KafkaRecord]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, records: Sequence[KafkaRecord]) -> None:
        """Call it on the event loop. Records without a key have a lane for each partition."""
        for record in records:
            key = record.key or f"{record.topic}/{record.partition}".encode()
            lane = self._waiting.get(key)
            if lane is not None:
                lane.append(record)
                continue
            self._waiting[key] = deque([record])
            task = asyncio.create_task(self._drain(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is not done; it comes again, to this member or to another."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self, key: bytes) -> None:
        lane = self._waiting[key]
        try:
            while lane:
                record = lane.popleft()
                if self._marks.owned(record):
                    await self._handle(record)
                    self._marks.done(record)
        finally:
            del self._waiting[key]
