"""What a user of the bridges writes. mypy checks it as a user does: see test_user_types.py."""

from datetime import timedelta
from typing import assert_type

from celery import Celery
from temporalio import workflow
from temporalio.client import Client

from twinsaga_bridges.celery_into_workflow import (
    CeleryCallersPlugin,
    ClientPerProcess,
    StartWorkflow,
    TasksAnsweredByWorkflows,
)
from twinsaga_bridges.handled_events import HandledEvents
from twinsaga_bridges.testing.celery import CeleryTasksInProcess, workflow_of
from twinsaga_bridges.testing.kafka import RecordedEvents
from twinsaga_bridges.workflow_into_celery import TaskClaims, install, run_celery_task
from twinsaga_bridges.workflow_into_kafka import OutgoingEvent, publish

app = Celery("user")
client = ClientPerProcess(lambda runtime: Client.connect("temporal:7233", runtime=runtime))
install(app, client, TaskClaims.at("redis://redis/2"))
tasks = TasksAnsweredByWorkflows(app, client)


@tasks.task(name="user.render")
def render(report: str, copies: int = 1) -> StartWorkflow:
    return StartWorkflow(workflow="RenderReport", args=[report, copies], task_queue="reports")


@workflow.defn
class RenderReport:
    def __init__(self) -> None:
        self.handled = HandledEvents()

    @workflow.run
    async def run(self, report: str) -> int:
        pages = await run_celery_task("user.pages", report, within=timedelta(hours=1), result_type=int)
        assert_type(pages, int)
        assert_type(self.handled.add("event-1"), bool)
        event = OutgoingEvent(topic="reports", key=report, type="report.rendered", source="/reports", data=pages)
        assert_type(await publish(event), str)
        return pages


def callers() -> None:
    render.delay("report", copies=2)
    render.delay(3)  # type: ignore[arg-type]
    StartWorkflow(workflow="RenderReport", queue="reports")  # type: ignore[call-arg]
    assert_type(workflow_of(render, "report"), StartWorkflow)
    plugins = [CeleryCallersPlugin(app, describe=lambda name, args: {"step": name, "of": len(args)})]
    assert_type(plugins, list[CeleryCallersPlugin])
    assert_type(CeleryTasksInProcess(app).calls[0].name, str)
    assert_type(RecordedEvents().events, list[OutgoingEvent])
