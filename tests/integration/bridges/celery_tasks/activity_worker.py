"""A Temporal worker as a process of its own, to be killed: `python -m ... TASK_QUEUE`."""

import asyncio
import os
import sys

from celery import Celery
from temporalio.client import Client
from temporalio.worker import Worker

from bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask


async def main(task_queue: str) -> None:
    client = await Client.connect(os.environ["ESTATE_TEMPORAL"])
    app = Celery("callers", broker=os.environ["ESTATE_BROKER"], backend=os.environ["ESTATE_RESULTS"])
    plugin = CeleryTasksPlugin(app, TaskClaims.at(os.environ["ESTATE_CLAIMS"]))
    await Worker(client, task_queue=task_queue, workflows=[AwaitsOneTask], plugins=[plugin]).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
