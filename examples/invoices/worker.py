"""The worker of the workflows. It reaches Celery and Kafka through plugins; the workflows know no connection."""

import asyncio

from addresses import KAFKA, TEMPORAL
from invoice import Invoice
from tasks import app, claims
from temporalio.client import Client
from temporalio.worker import Worker

from twinsaga_bridges.celery_into_workflow import CeleryCallersPlugin
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaConnection, KafkaPublishing, KafkaPublishingPlugin

# @@@SNIPSTART workflow-into-kafka-producer
events = EventProducer(KafkaConnection(bootstrap=KAFKA).producer)
# @@@SNIPEND


async def main() -> None:
    # @@@SNIPSTART worker
    client = await Client.connect(TEMPORAL)
    plugins = [
        KafkaPublishingPlugin(KafkaPublishing(events)),  # workflow into Kafka
        CeleryTasksPlugin(app, claims),  # workflow into Celery
        CeleryCallersPlugin(app),  # Celery into workflow
    ]
    await Worker(client, task_queue="invoices", workflows=[Invoice], plugins=plugins).run()
    # @@@SNIPEND


if __name__ == "__main__":
    asyncio.run(main())
