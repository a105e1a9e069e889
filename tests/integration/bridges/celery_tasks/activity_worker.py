"""A Temporal worker as a process that tests can kill: `python -m ... TASK_QUEUE [dies-after-sending]`."""

import asyncio
import os
import signal
import sys

from celery import Celery
from temporalio.client import Client
from temporalio.worker import Worker

from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims


class DiesAfterSending(TaskClaims):
    def sent(self, task_id: str) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(task_id)


async def main(task_queue: str, claims: type[TaskClaims]) -> None:
    client = await Client.connect(os.environ["ESTATE_TEMPORAL"])
    app = Celery("callers", broker=os.environ["ESTATE_BROKER"], backend=os.environ["ESTATE_RESULTS"])
    plugin = CeleryTasksPlugin(app, claims.at(os.environ["ESTATE_CLAIMS"]))
    await Worker(client, task_queue=task_queue, plugins=[plugin]).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], DiesAfterSending if len(sys.argv) > 2 else TaskClaims))
