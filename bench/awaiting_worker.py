"""The worker of the workflow that awaits a Celery task: `python -m bench.awaiting_worker`."""

import asyncio

from temporalio.worker import Worker

from bench.awaiting_workflow import AWAITING_QUEUE, AwaitsNothing
from bench.celery_app import bench_app
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.stopping import stop_event
from runtime.temporal import connect
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims


async def main(settings: Settings) -> None:
    stop = stop_event()
    client = await connect(settings)
    plugin = CeleryTasksPlugin(bench_app(settings), TaskClaims.at(settings.own_redis_url))
    async with Worker(client, task_queue=AWAITING_QUEUE, workflows=[AwaitsNothing], plugins=[plugin]):
        announce_ready(settings)
        await asyncio.to_thread(stop.wait)


if __name__ == "__main__":
    asyncio.run(main(load_settings()))
