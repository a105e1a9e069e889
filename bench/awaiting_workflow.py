"""The workflow that awaits a Celery task which does nothing."""

from datetime import timedelta

from temporalio import workflow

NOTHING_TASK = "bench.nothing"
CELERY_QUEUE = "bench"
AWAITING_QUEUE = "bench-awaiting"


with workflow.unsafe.imports_passed_through():
    from bench.awaiting_workflow import NOTHING_TASK
    from twinsaga_bridges.workflow_into_celery import run_celery_task


@workflow.defn
class AwaitsNothing:
    @workflow.run
    async def run(self) -> None:
        await run_celery_task(NOTHING_TASK, within=timedelta(minutes=1))
