"""The Celery tasks that wait for one workflow, as the workflow sees them."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import ContinueAsNewInput

from twinsaga_bridges.celery.caller import FINISH_ACTIVITY, PROGRESS_ACTIVITY, CeleryCaller, WorkflowEnd

ATTEMPT = timedelta(seconds=30)
PROGRESS_DEADLINE = timedelta(seconds=10)
ANSWER_DEADLINE = timedelta(days=1)
ANSWER_RETRY = RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=30))


class Callers:
    """The Celery tasks that wait for this workflow, and what they are told."""

    def __init__(self) -> None:
        self.known: dict[str, CeleryCaller] = {}
        self._waiting: list[CeleryCaller] = []
        self._step: Mapping[str, Any] | None = None
        self._untold = False
        self.next_run: ContinueAsNewInput | None = None
        self._telling: asyncio.Task[None] | None = None

    def add(self, caller: CeleryCaller) -> None:
        if caller.task_id not in self.known:  # a redelivered task comes again
            self.known[caller.task_id] = caller
            self._waiting.append(caller)
            self._tell_progress()

    def step(self, meta: Mapping[str, Any]) -> None:
        self._step = meta
        self._tell_progress()

    def _tell_progress(self) -> None:
        """In the background; a step that is overtaken by the next is not told."""
        self._untold = self._step is not None and bool(self._waiting)
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_latest())

    async def answer(self, end: WorkflowEnd, result: object = None) -> None:
        self._step, self._untold = None, False
        if self._telling is not None:
            await self._telling  # progress that is told late would overwrite a failure
        while self._waiting:
            caller = self._waiting.pop(0)
            try:
                await workflow.execute_activity(
                    FINISH_ACTIVITY,
                    args=[caller, end, result],
                    start_to_close_timeout=ATTEMPT,
                    schedule_to_close_timeout=ANSWER_DEADLINE,
                    retry_policy=ANSWER_RETRY,
                    summary=caller.task_id,
                )
            except ActivityError:
                workflow.logger.exception("the Celery task %s was not told how the workflow ended", caller.task_id)

    async def _tell_latest(self) -> None:
        while self._untold:
            meta, self._untold = self._step, False
            for caller in list(self._waiting):
                try:
                    await workflow.execute_activity(
                        PROGRESS_ACTIVITY, args=[caller, meta], schedule_to_close_timeout=PROGRESS_DEADLINE
                    )
                except ActivityError:
                    workflow.logger.warning("progress of the Celery task %s is lost", caller.task_id)
