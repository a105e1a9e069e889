"""Kafka into workflow: each payment is a signal to the workflow of its invoice."""

import asyncio
import signal
import threading

from addresses import KAFKA, TEMPORAL
from kafka import KafkaConsumer, KafkaProducer
from temporalio.client import Client

from twinsaga_bridges.kafka_into_workflow import IncomingEvent, KafkaIntoWorkflow, KafkaRecord, Signal, cloud_events


# @@@SNIPSTART kafka-into-workflow
def invoice(event: IncomingEvent) -> str:
    return f"invoice/{event.key}"


def consumer() -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=KAFKA,
        group_id="invoices",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=100_000,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
    )


def bury(record: KafkaRecord, why: Exception) -> None:
    headers = [*record.headers, ("why", str(why).encode())]
    with KafkaProducer(bootstrap_servers=KAFKA, acks="all") as dead_letters:
        dead_letters.send(f"{record.topic}.dlq", record.value, record.key, headers).get(timeout=10)


async def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bridge = KafkaIntoWorkflow(
        await Client.connect(TEMPORAL),
        topics={"payments": cloud_events},
        routes={"payment.received": Signal(signal="payment", workflow_id=invoice)},
        connect=consumer,
        bury=bury,
    )
    await bridge.run(stop, joined=threading.Event())


# @@@SNIPEND


if __name__ == "__main__":
    asyncio.run(main())
