"""What a Temporal Schedule starts in the place of Celery Beat: a workflow that runs one Celery task."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.workflow_into_celery import run_celery_task


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledTask:
    """`within_s`: seconds after which a run is given up, its time in the queue included."""

    name: str
    args: Sequence[Any] = ()
    within_s: float


@workflow.defn(name="RunScheduledTask")
class RunScheduledTask:
    @workflow.run
    async def run(self, task: ScheduledTask) -> None:
        await run_celery_task(task.name, *task.args, within=timedelta(seconds=task.within_s))
