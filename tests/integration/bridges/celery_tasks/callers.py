"""A workflow that awaits a Celery task."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from twinsaga_bridges.workflow_into_celery import run_celery_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    activity_queue: str | None = None
    terminate: bool = False
    attempts: int = 0  # maximum attempts of a failing task; 0: its failure is final
    silence_s: float = 2.0
    within_s: float = 240.0


@workflow.defn
class AwaitsOneTask:
    @workflow.run
    async def run(self, wanted: Wanted) -> Any:  # noqa: ANN401 - whatever the task returns
        retry = RetryPolicy(maximum_attempts=wanted.attempts, initial_interval=timedelta(milliseconds=50))
        return await run_celery_task(
            wanted.name,
            *wanted.args,
            kwargs=wanted.kwargs,
            within=timedelta(seconds=wanted.within_s),
            queue=wanted.queue,
            task_queue=wanted.activity_queue,
            terminate=wanted.terminate,
            retry_failures=retry if wanted.attempts else None,
            heartbeat_timeout=timedelta(seconds=wanted.silence_s),
        )
