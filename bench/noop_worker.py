"""The worker of the bare workflows: `python -m bench.noop_worker`."""

import asyncio

from temporalio.worker import Worker

from bench.noop_workflows import BARE_QUEUE, FourActivities, OneActivity, nothing
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.stopping import stop_event
from runtime.temporal import connect


async def main(settings: Settings) -> None:
    stop = stop_event()
    client = await connect(settings)
    async with Worker(client, task_queue=BARE_QUEUE, workflows=[FourActivities, OneActivity], activities=[nothing]):
        announce_ready(settings)
        await asyncio.to_thread(stop.wait)


if __name__ == "__main__":
    asyncio.run(main(load_settings()))
