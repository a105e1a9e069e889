"""The driver of the raw chain: sends into it, and hears from its fifth hop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from adapters.kafka.topics import ensure_topics
from bench.breakdown import Notes
from bench.child_processes import Child, children
from bench.closed_loop import BLOCK_DEADLINE_S, BenchmarkFailed
from bench.kafka_records import HOPS, first_record, stamps, topic
from bench.paired_runs import Values
from bench.target import BenchTarget
from runtime.kafka import kafka_connection, topic_shape

WARM_UP_CHAINS = 5
POLL_MS = 50
TOPICS_WITHIN_S = 20.0
NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Passed:
    """Seconds since 1970."""

    sent: float
    taken: Sequence[float]
    back: float


@dataclass(slots=True)
class Chain:
    """Not for two threads."""

    producer: KafkaProducer
    consumer: KafkaConsumer
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, chains: int, in_flight: int) -> list[Passed]:
        """Raises DidNotWork when they do not come through in time, or the broker fails."""
        passed: list[Passed] = []
        begun, end = 0, time.monotonic() + BLOCK_DEADLINE_S
        try:
            while len(passed) < chains and not self.stop.is_set():
                while begun < chains and begun - len(passed) < in_flight:
                    self.producer.send(topic(0), key=uuid4().hex.encode(), value=first_record(time.time_ns()))
                    begun += 1
                batch = self.consumer.poll(timeout_ms=POLL_MS)
                back = time.time()
                passed += [_passed(record, back) for records in batch.values() for record in records]
                if time.monotonic() > end:
                    raise BenchmarkFailed(f"raw chains: only {len(passed)} of {chains} came through")
        except KafkaError as fault:
            raise BenchmarkFailed(f"raw chains: {fault!r}") from fault
        return passed


def _at_the_end(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
    consumer.assign(partitions)
    consumer.seek_to_end(*partitions)
    for partition in partitions:
        consumer.position(partition)  # only now the broker is asked where the end is


def _passed(record: Any, back: float) -> Passed:  # noqa: ANN401 - kafka-python's, which has no types
    sent, *taken = (stamp * NANO for stamp in stamps(record.value))
    return Passed(sent, taken, back)


def _legs(passed: Sequence[Passed]) -> dict[str, float]:
    moments = [(one.sent, *one.taken, one.back) for one in passed]
    names = [*(f"hop {number + 1}" for number in range(HOPS)), "back"]
    return {name: median(row[place + 1] - row[place] for row in moments) for place, name in enumerate(names)}


@asynccontextmanager
async def chain_on(stand: BenchTarget) -> AsyncIterator[Chain]:
    """Five hops in processes of their own, on topics shaped as ours."""
    connection = kafka_connection(stand.settings)
    shape = topic_shape(stand.settings)
    topics = [topic(number) for number in range(HOPS + 1)]
    await asyncio.to_thread(ensure_topics, connection, shape, TOPICS_WITHIN_S, topics)
    hops = [Child("kafka_hop", (str(number + 1),)) for number in range(HOPS)]
    async with children(stand.settings, stand.folder, *hops):
        producer, consumer = await asyncio.to_thread(connection.producer), await asyncio.to_thread(connection.reader)
        chain = Chain(producer, consumer)
        try:
            last = [TopicPartition(topic(HOPS), number) for number in range(shape.partitions)]
            await asyncio.to_thread(_at_the_end, consumer, last)
            yield chain
        finally:
            chain.stop.set()
            producer.close(timeout=1.0)
            consumer.close(autocommit=False, timeout_ms=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawChains:
    """With one in flight, the medians; else the rate."""

    chain: Chain
    chains: int
    in_flight: int
    notes: Notes

    async def warm_up(self) -> None:
        await self._run(min(self.chains, max(WARM_UP_CHAINS, self.in_flight)))

    async def play(self) -> Values:
        passed = await self._run(self.chains)
        if self.in_flight == 1:
            self.notes.add("raw chain alone: each hop since the one before it", _legs(passed))
            return {
                "choreographed-p50": median(one.taken[-1] - one.sent for one in passed),
                "choreographed-p50-seen": median(one.back - one.sent for one in passed),
            }
        took = max(one.taken[-1] for one in passed) - min(one.sent for one in passed)
        return {"choreographed-rate": len(passed) / took}

    async def _run(self, chains: int) -> list[Passed]:
        try:
            return await asyncio.to_thread(self.chain.run, chains, self.in_flight)
        except asyncio.CancelledError:
            self.chain.stop.set()
            raise
