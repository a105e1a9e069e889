"""A worker that publishes, as a process. Arguments: the broker, Temporal, its namespace, and `dies` or `lives`.

`dies`: it is killed after the broker has acknowledged its first event, before Temporal knows of that.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from kafka import KafkaProducer
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.kafka.invoice import TASK_QUEUE, Invoice
from twinsaga_bridges.kafka import outgoing
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
    outgoing.ONE_ATTEMPT = timedelta(seconds=2)  # after which the attempt of a dead worker is retried
    producer = Dying if fate == "dies" else EventProducer
    publishing = KafkaPublishing(producer(lambda: connect(bootstrap)))
    client = await Client.connect(temporal, namespace=namespace)
    await Worker(client, task_queue=TASK_QUEUE, workflows=[Invoice], plugins=[KafkaPublishingPlugin(publishing)]).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
