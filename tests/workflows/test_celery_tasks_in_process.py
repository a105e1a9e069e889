"""The example of docs/bridges/testing.md: a workflow that awaits a Celery task, and a task that a workflow answers."""

import asyncio
from uuid import uuid4

import pytest
from celery import Celery, current_task
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.workflows.publish_video import PublishVideo
from twinsaga_bridges.celery_into_workflow import ClientPerProcess, StartWorkflow, TasksAnsweredByWorkflows
from twinsaga_bridges.testing.celery import CeleryTasksInProcess, workflow_of
from twinsaga_bridges.testing.kafka import RecordedEvents
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from twinsaga_bridges.workflow_into_kafka import KafkaPublishing, KafkaPublishingPlugin

DEADLINE_S = 30.0

# The project's Celery app, with whatever broker and backend its settings name.
app = Celery("media", broker="redis://redis/0", backend="redis://redis/1", set_as_current=False)


@app.task(name="media.compress")
def compress(video_id: str) -> str:
    if not video_id:
        raise LookupError("no such video")
    return f"{video_id}.webm"


async def result_of(
    environment: WorkflowEnvironment, video_id: str, celery: CeleryTasksInProcess, events: RecordedEvents
) -> str:
    queue, publishing = f"videos-{uuid4()}", KafkaPublishing(events)
    plugins = [celery, KafkaPublishingPlugin(publishing)]
    async with Worker(environment.client, task_queue=queue, workflows=[PublishVideo], plugins=plugins):
        async with asyncio.timeout(DEADLINE_S):
            result = await environment.client.execute_workflow(PublishVideo.run, video_id, id=queue, task_queue=queue)
    publishing.close()
    return result


async def test_a_workflow_with_a_celery_task_and_an_event_needs_no_celery_and_no_kafka(
    environment: WorkflowEnvironment,
) -> None:
    celery, events = CeleryTasksInProcess(app), RecordedEvents(faults=1)

    assert await result_of(environment, "v-1", celery, events) == "v-1.webm"

    assert [(call.name, call.args) for call in celery.calls] == [("media.compress", ["v-1"])]
    assert [(event.topic, event.type, event.data) for event in events.events] == [
        ("videos", "video.published", "v-1.webm")
    ]


async def test_a_failure_of_the_task_fails_the_workflow(environment: WorkflowEnvironment) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await result_of(environment, "", CeleryTasksInProcess(app), RecordedEvents())

    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    assert failed.value.cause.cause.type == "LookupError"


async def no_client(_runtime: object) -> None:
    raise AssertionError("a test of the task's function must not connect")


tasks = TasksAnsweredByWorkflows(app, ClientPerProcess(no_client))  # type: ignore[arg-type] # it never connects


@tasks.task(name="media.publish")
def publish_video(video_id: str) -> StartWorkflow:
    return StartWorkflow(workflow="PublishVideo", args=[video_id], task_queue="videos", id=current_task.request.id)


def test_a_task_chooses_its_workflow() -> None:
    chosen = workflow_of(publish_video, "v-1", task_id="task-1")

    assert chosen == StartWorkflow(workflow="PublishVideo", args=["v-1"], task_queue="videos", id="task-1")


def test_an_eager_app_says_what_to_use_in_a_test() -> None:
    eager = Celery("eager", set_as_current=False)
    eager.conf.task_always_eager = True
    eager.conf.task_eager_propagates = True
    task = TasksAnsweredByWorkflows(eager, ClientPerProcess(no_client)).task(name="eager.publish")(publish_video.run)  # type: ignore[arg-type]

    with pytest.raises(RuntimeError, match=r"task_always_eager is on.*workflow_of"):
        task.delay("v-1")
    with pytest.raises(Exception, match=r"task_always_eager is on.*CeleryTasksInProcess"):
        CeleryTasksPlugin(eager, TaskClaims.at("redis://redis/2"))
