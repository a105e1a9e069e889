"""The workflow that awaits a Celery task which does nothing."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bridges.workflow_into_celery import run_celery_task
    from runtime.benching.celery_names import NOTHING_TASK


@workflow.defn
class AwaitsNothing:
    @workflow.run
    async def run(self) -> None:
        await run_celery_task(NOTHING_TASK, within=timedelta(minutes=1))
