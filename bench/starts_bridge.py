"""A bridge that starts workflows, as a process: `python -m bench.starts_bridge`.

It reads `TOPIC NUMBER` from its input, lets `kafka_into_workflow` start that number of workflows from the events that
are in the topic, and prints the seconds from the first call of Temporal to the last acknowledgement.
"""

import asyncio
import os
import sys
import threading
import time
from functools import partial
from typing import Any, cast

from temporalio.client import Client

from bench.workflow_starts import EVENT_TYPE, STARTED, STARTED_QUEUE
from runtime.kafka import kafka_connection
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.temporal import connect
from twinsaga_bridges.kafka_into_workflow import KafkaIntoWorkflow, KafkaRecord, Start, cloud_events

ROUTES = {EVENT_TYPE: Start(workflow=STARTED, workflow_id=lambda event: f"bench/{event.key}", task_queue=STARTED_QUEUE)}


class CountingClient:
    """A Temporal client that times from the first start that it sends to the acknowledgement of the last."""

    def __init__(self, client: Client, starts: int, done: threading.Event) -> None:
        self._client = client
        self._starts = starts
        self._done = done
        self._count = 0
        self._first: float | None = None
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the client
        return getattr(self._client, name)

    @property
    def workflow_service(self) -> "CountingClient":
        # The bridge calls `client.workflow_service.start_workflow_execution`.
        return self

    async def start_workflow_execution(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        if self._first is None:
            self._first = time.perf_counter()
        answer = await self._client.workflow_service.start_workflow_execution(request, **options)
        self._count += 1
        if self._count == self._starts:
            self.seconds = time.perf_counter() - self._first
            self._done.set()
        return answer


async def timed_starts(client: Client, settings: Settings, topic: str, starts: int) -> float:
    done = threading.Event()
    counting = CountingClient(client, starts, done)
    connection = kafka_connection(settings)
    connect_member = partial(connection.consumer, f"bench-{topic}")
    bridge = KafkaIntoWorkflow(cast("Client", counting), {topic: cloud_events}, ROUTES, connect_member, _fail)
    await bridge.run(done, threading.Event())
    return counting.seconds


def _fail(record: KafkaRecord, why: Exception) -> None:
    print(f"a start from {record.topic} {record.offset} failed: {why}", file=sys.stderr, flush=True)  # noqa: T201 - its log
    # In place of a dead letter: no start may fail here, and the bench notices at once that the process has ended.
    os._exit(1)


async def main(settings: Settings) -> None:
    client = await connect(settings)
    announce_ready(settings)
    while line := await asyncio.to_thread(sys.stdin.readline):
        topic, starts = line.split()
        print(await timed_starts(client, settings, topic, int(starts)), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main(load_settings()))
