"""Both sides of the benchmark of starts: `kafka_into_workflow` on a topic with events, and a client by itself."""

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

from temporalio.client import Client

from bench.baseline_workflow import RPC_TIMEOUT
from bench.closed_loop import BLOCK_DEADLINE_S, repeated
from bench.paired_runs import Values
from comparison.child_processes import ChildProcess
from messaging.kafka.topics import ensure_topics
from runtime.kafka import kafka_connection, topic_shape
from runtime.settings import Settings

# No worker polls this queue: a start is complete when Temporal has acknowledged it.
STARTED = "OnlyStarted"
STARTED_QUEUE = "bench-started"
EVENT_TYPE = "bench.started"
HEADERS = (("ce_specversion", b"1.0"), ("ce_type", EVENT_TYPE.encode()), ("ce_source", b"/bench"))
MAX_CALLS = 50
"""Maximum concurrent calls of Temporal: the default of the bridge."""

TOPICS_WITHIN_S = 20.0
SENT_WITHIN_S = 60.0
WARM_UP_STARTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedStarts:
    bridge: ChildProcess
    settings: Settings
    starts: int

    async def warm_up(self) -> None:
        await self._seconds_for(min(self.starts, WARM_UP_STARTS))

    async def play(self) -> Values:
        return {"kafka-starts": self.starts / await self._seconds_for(self.starts)}

    async def _seconds_for(self, starts: int) -> float:
        # A new topic each time, filled before the bridge begins: the bridge is measured, and not the producer.
        topic = f"bench-starts-{uuid4().hex[:8]}"
        await asyncio.to_thread(self._fill, topic, starts)
        return float(await self.bridge.request(f"{topic} {starts}", deadline_s=BLOCK_DEADLINE_S))

    def _fill(self, topic: str, starts: int) -> None:
        connection = kafka_connection(self.settings)
        ensure_topics(connection, topic_shape(self.settings), TOPICS_WITHIN_S, [topic])
        with closing(connection.producer()) as producer:
            ids = [uuid4().hex.encode() for _ in range(starts)]
            sent = [
                producer.send(
                    topic, key=event_id, value=b'{"number": %d}' % number, headers=[*HEADERS, ("ce_id", event_id)]
                )
                for number, event_id in enumerate(ids)
            ]
            for future in sent:
                future.get(timeout=SENT_WITHIN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectStarts:
    client: Client
    starts: int

    async def warm_up(self) -> None:
        await self._start(min(self.starts, WARM_UP_STARTS))

    async def play(self) -> Values:
        began = time.perf_counter()
        await self._start(self.starts)
        return {"kafka-starts": self.starts / (time.perf_counter() - began)}

    async def _start(self, starts: int) -> None:
        async def one(number: int) -> None:
            await self.client.start_workflow(
                STARTED,
                {"number": number},
                id=f"bench/{uuid4().hex}",
                task_queue=STARTED_QUEUE,
                rpc_timeout=RPC_TIMEOUT,
            )

        await repeated(one, starts, in_flight=MAX_CALLS, what="direct starts")
