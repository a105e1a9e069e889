"""The workflow of docs/bridges/testing.md, in a module of its own, which the sandbox of Temporal imports again."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.workflow_into_celery import run_celery_task
    from twinsaga_bridges.workflow_into_kafka import OutgoingEvent, publish


@workflow.defn
class PublishVideo:
    """Waits a day for objections, then compresses the video and announces it."""

    @workflow.run
    async def run(self, video_id: str) -> str:
        await workflow.sleep(timedelta(days=1))
        file = await run_celery_task("media.compress", video_id, within=timedelta(hours=2), result_type=str)
        await publish(OutgoingEvent(topic="videos", key=video_id, type="video.published", source="/media", data=file))
        return file
