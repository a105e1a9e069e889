"""The course's video job as a workflow that awaits the same Celery task."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from services.estate.task_names import PROCESS_VIDEO
    from twinsaga_bridges.workflow_into_celery import run_celery_task

WITHIN = timedelta(hours=12)


@workflow.defn(name="ProcessVideo")
class ProcessVideo:
    @workflow.run
    async def run(self, video_id: str) -> dict[str, object]:
        """On cancellation the Celery task is revoked, and its child process killed, before the workflow ends."""
        return await run_celery_task(
            PROCESS_VIDEO, video_id, within=WITHIN, terminate=True, result_type=dict[str, object], summary="compress"
        )
