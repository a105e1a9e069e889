"""The baseline of the choreographed style: a raw chain of five Kafka hops. This is its driver, at both ends."""

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

from bench.breakdown import Breakdown
from bench.closed_loop import BLOCK_DEADLINE_S, BenchmarkFailed
from bench.kafka_hop import HOPS, chain_topic, first_record, stamps
from bench.paired_runs import Values
from bench.target import BenchTarget, running
from messaging.kafka.topics import ensure_topics
from runtime.kafka import kafka_connection, topic_shape

WARM_UP_RECORDS = 5
POLL_MS = 50
TOPICS_WITHIN_S = 20.0
NANO = 1e-9


@dataclass(frozen=True, slots=True)
class ChainTimes:
    """The way of one record through the chain, in seconds since 1970."""

    sent: float
    received: Sequence[float]
    back: float


@dataclass(slots=True)
class RawChain:
    """Not thread-safe: one thread may be in `run` at a time."""

    producer: KafkaProducer
    consumer: KafkaConsumer
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, records: int, in_flight: int) -> list[ChainTimes]:
        """Send the records through the chain. After `stop` is set, return those that are back.

        Raises BenchmarkFailed: not all came back in time, or the broker failed.
        """
        back: list[ChainTimes] = []
        sent, end = 0, time.monotonic() + BLOCK_DEADLINE_S
        try:
            while len(back) < records and not self.stop.is_set():
                while sent < records and sent - len(back) < in_flight:
                    self.producer.send(chain_topic(0), key=uuid4().hex.encode(), value=first_record(time.time_ns()))
                    sent += 1
                batch = self.consumer.poll(timeout_ms=POLL_MS)
                now = time.time()
                back += [_times(record, now) for partition in batch.values() for record in partition]
                if time.monotonic() > end:
                    raise BenchmarkFailed(f"raw chains: only {len(back)} of {records} came through")
        except KafkaError as fault:
            raise BenchmarkFailed(f"raw chains: {fault!r}") from fault
        return back


@asynccontextmanager
async def raw_chain(target: BenchTarget) -> AsyncIterator[RawChain]:
    """Run the hops as processes, on topics of the same shape as ours."""
    connection = kafka_connection(target.settings)
    shape = topic_shape(target.settings)
    topics = [chain_topic(number) for number in range(HOPS + 1)]
    await asyncio.to_thread(ensure_topics, connection, shape, TOPICS_WITHIN_S, topics)
    async with running(target.settings, *(f"kafka_hop {number + 1}" for number in range(HOPS))):
        producer, consumer = await asyncio.to_thread(connection.producer), await asyncio.to_thread(connection.reader)
        chain = RawChain(producer, consumer)
        try:
            last = [TopicPartition(chain_topic(HOPS), number) for number in range(shape.partitions)]
            await asyncio.to_thread(_seek_to_end, consumer, last)
            yield chain
        finally:
            chain.stop.set()
            producer.close(timeout=1.0)
            consumer.close(autocommit=False, timeout_ms=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawChains:
    """Measures medians with one record in flight, otherwise the rate."""

    chain: RawChain
    records: int
    in_flight: int
    breakdown: Breakdown

    async def warm_up(self) -> None:
        await self._run(min(self.records, max(WARM_UP_RECORDS, self.in_flight)))

    async def play(self) -> Values:
        back = await self._run(self.records)
        if self.in_flight == 1:
            self.breakdown.add("raw chain alone: each hop since the one before it", _hop_latencies(back))
            return {
                "choreographed-p50": median(times.received[-1] - times.sent for times in back),
                "choreographed-p50-seen": median(times.back - times.sent for times in back),
            }
        # From the records' own stamps: the driver's polls would add to the time between them.
        took = max(times.received[-1] for times in back) - min(times.sent for times in back)
        return {"choreographed-rate": len(back) / took}

    async def _run(self, records: int) -> list[ChainTimes]:
        try:
            return await asyncio.to_thread(self.chain.run, records, self.in_flight)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, and the program would wait for it at its end.
            self.chain.stop.set()
            raise


def _seek_to_end(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
    consumer.assign(partitions)
    consumer.seek_to_end(*partitions)
    for partition in partitions:
        # seek_to_end is lazy: without this call it would take effect after the first record has been sent.
        consumer.position(partition)


def _times(record: Any, back: float) -> ChainTimes:  # noqa: ANN401 - kafka-python has no types
    sent, *received = (stamp * NANO for stamp in stamps(record.value))
    return ChainTimes(sent, received, back)


def _hop_latencies(records: Sequence[ChainTimes]) -> dict[str, float]:
    moments = [(times.sent, *times.received, times.back) for times in records]
    names = [*(f"hop {number + 1}" for number in range(HOPS)), "back"]
    return {name: median(row[place + 1] - row[place] for row in moments) for place, name in enumerate(names)}
