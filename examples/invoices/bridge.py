"""Kafka into workflow: each payment is a signal to the workflow of its invoice."""

import asyncio

from addresses import KAFKA, TEMPORAL
from temporalio.client import Client

from twinsaga_bridges.kafka_into_workflow import (
    DeadLetterTopic,
    IncomingEvent,
    KafkaConnection,
    KafkaIntoWorkflow,
    Signal,
    cloud_events,
)


# @@@SNIPSTART kafka-into-workflow
def invoice(event: IncomingEvent) -> str:
    return f"invoice/{event.key}"


async def main() -> None:
    kafka = KafkaConnection(bootstrap=KAFKA)
    bridge = KafkaIntoWorkflow(
        await Client.connect(TEMPORAL),
        topics={"payments": cloud_events},
        routes={"payment.received": Signal(signal="payment", workflow_id=invoice)},
        connect=lambda: kafka.consumer("invoices"),
        bury=DeadLetterTopic(kafka.producer),
    )
    await bridge.run()


# @@@SNIPEND


if __name__ == "__main__":
    asyncio.run(main())
