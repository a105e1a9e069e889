"""A Temporal worker for `noop_workflows`: `python -m bench.noop_worker bare|awaiting`.

`bare` is the worker of the baselines, with the SDK's defaults. `awaiting` runs the workflow that awaits a Celery task.
"""

import asyncio
import sys

from temporalio.worker import Worker

from bench.noop_celery import bench_app
from bench.noop_workflows import AWAITING_QUEUE, NOOP_QUEUE, AwaitsCeleryTask, FourActivities, OneActivity, nothing
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.stopping import stop_event
from runtime.temporal import connect
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims


async def main(settings: Settings, kind: str) -> None:
    stop = stop_event()
    client = await connect(settings)
    if kind == "bare":
        worker = Worker(client, task_queue=NOOP_QUEUE, workflows=[FourActivities, OneActivity], activities=[nothing])
    else:
        plugin = CeleryTasksPlugin(bench_app(settings), TaskClaims.at(settings.own_redis_url))
        worker = Worker(client, task_queue=AWAITING_QUEUE, workflows=[AwaitsCeleryTask], plugins=[plugin])
    async with worker:
        announce_ready(settings)
        await asyncio.to_thread(stop.wait)


if __name__ == "__main__":
    asyncio.run(main(load_settings(), sys.argv[1]))
