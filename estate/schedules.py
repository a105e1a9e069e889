"""Temporal Schedules in the place of Celery Beat. The saga worker makes them when it starts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from runtime.settings import Settings
from services.estate.task_names import FORGET_WHAT_IS_OLD
from twinsaga_bridges.backoff import Backoff
from workflows.scheduled_task import RunScheduledTask, ScheduledTask

FORGET = "estate/forget-what-is-old"
FORGET_EVERY = timedelta(hours=1)
RPC_DEADLINE = timedelta(seconds=10)
_RETRY = Backoff(first_s=1.0, longest_s=60.0)

log = structlog.get_logger(__name__)


async def make_schedules(client: Client, settings: Settings) -> None:
    """Return when the server has them. While it does not answer, or refuses, try again."""
    delays = _RETRY.jittered()
    while True:
        try:
            await make_schedule(client, FORGET, FORGET_WHAT_IS_OLD, FORGET_EVERY, settings.temporal_task_queue)
        except RPCError as error:
            log.warning("a schedule could not be made", schedule=FORGET, error=str(error))
            await asyncio.sleep(next(delays))
        else:
            return


async def make_schedule(
    client: Client, schedule_id: str, task: str, every: timedelta, task_queue: str, *args: str
) -> None:
    """Run a Celery task `every` so often. Repeatable: an existing schedule is updated, and stays paused if it is."""
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            RunScheduledTask.run,
            ScheduledTask(name=task, args=args, within_s=every.total_seconds()),
            id=schedule_id,
            task_queue=task_queue,
            static_summary=task,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # As with Beat, what was missed during an outage is not made up for. Unlike Beat, no two runs overlap.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )

    async def update(current: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule=replace(wanted, state=current.description.schedule.state))

    try:
        await client.create_schedule(schedule_id, wanted, rpc_timeout=RPC_DEADLINE)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(update, rpc_timeout=RPC_DEADLINE)
