"""A worker that publishes, as a process. Arguments: the broker, Temporal, its namespace, and `dies` or `lives`.

One that `dies` is killed when the broker has acknowledged its first event, and Temporal has not heard of that yet.
"""

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from kafka import KafkaProducer
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.kafka.invoice import TASK_QUEUE, Invoice
from twinsaga_bridges import workflow_into_kafka
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, KafkaPublishingPlugin, OutgoingEvent


class Dying(EventProducer):
    def send(self, event: OutgoingEvent) -> None:
        super().send(event)
        os.kill(os.getpid(), signal.SIGKILL)


def connect(bootstrap: str) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        bootstrap_timeout_ms=10_000,
        acks="all",
        max_block_ms=1_000,
        request_timeout_ms=1_000,
        delivery_timeout_ms=2_000,
    )


async def main(bootstrap: str, temporal: str, namespace: str, fate: str) -> None:
    workflow_into_kafka.ONE_ATTEMPT = timedelta(seconds=2)  # until then nobody misses the attempt of a dead worker
    publishing = KafkaPublishing(lambda: connect(bootstrap))
    if fate == "dies":
        publishing._events = Dying(lambda: connect(bootstrap))
    client = await Client.connect(temporal, namespace=namespace)
    with ThreadPoolExecutor(2) as threads:
        await Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[Invoice],
            activity_executor=threads,
            plugins=[KafkaPublishingPlugin(publishing)],
        ).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
