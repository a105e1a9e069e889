"""The workflows of the baselines and of the Celery bridge's benchmark: they do nothing, with the SDK's own defaults."""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.workflow_into_celery import run_celery_task

NOOP_QUEUE = "bench-bare"
AWAITING_QUEUE = "bench-awaiting"
CELERY_QUEUE = "bench"
NOOP_TASK = "bench.nothing"

_ACTIVITIES = 4
_ATTEMPT = timedelta(seconds=10)
_TASK_DEADLINE = timedelta(minutes=1)


@activity.defn
async def nothing() -> None:
    """Measures what an activity costs before it does any work."""


@workflow.defn
class FourActivities:
    @workflow.run
    async def run(self) -> None:
        for _ in range(_ACTIVITIES):
            await workflow.execute_activity(nothing, start_to_close_timeout=_ATTEMPT)


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=_ATTEMPT)


@workflow.defn
class AwaitsCeleryTask:
    @workflow.run
    async def run(self) -> None:
        await run_celery_task(NOOP_TASK, within=_TASK_DEADLINE)
