"""The activity that enqueues a Celery task and leaves, and the plugin that registers it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NoReturn

from celery import Celery
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.celery.client import CeleryCalls
from twinsaga_bridges.celery.task_call import AwaitedBy, CeleryTaskCall
from twinsaga_bridges.celery.task_claims import TaskClaims, TaskState
from twinsaga_bridges.celery.task_outcome import CeleryResultLost, Failed, Succeeded, as_failure, unfit_for_temporal
from twinsaga_bridges.celery.task_watch import OpenTask, TaskWatch

ACTIVITY = "run_celery_task"


class CeleryTaskActivity:
    def __init__(self, calls: CeleryCalls) -> None:
        self._calls = calls
        self._watch = TaskWatch(calls)
        self._workers = 0

    @activity.defn(name=ACTIVITY)
    async def run(self, call: CeleryTaskCall) -> Any:  # noqa: ANN401 - the task's own result
        by = _awaited_by(call)
        task_id, state = await self._calls.on_thread(self._calls.claims.claim, by)
        if state is TaskState.SENDING:
            await self._calls.send(call, task_id)
        elif state is TaskState.CANCELLED:
            raise ApplicationError("the Celery task was revoked", type="TaskRevokedError", non_retryable=True)
        elif state is TaskState.FINISHED:
            return await self._result(task_id, call)
        return self._leave(OpenTask(activity.client(), call, by, task_id))

    def _leave(self, task: OpenTask) -> NoReturn:
        self._watch.add(task, _bound_s())
        activity.raise_complete_async()

    async def _result(self, task_id: str, call: CeleryTaskCall) -> Any:  # noqa: ANN401 - as above
        """An earlier attempt's task has ended, and its report was lost."""
        ending = await self._calls.stored_ending(task_id)
        if ending is None:
            ending = Failed(CeleryResultLost("the result backend does not know how the Celery task ended"))
        if not isinstance(ending, Succeeded):
            raise as_failure(ending, retryable=call.retry_failures)
        if unfit := await unfit_for_temporal(activity.client(), ending.result):
            raise unfit
        return ending.result

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        self._workers += 1
        try:
            yield
        finally:
            self._workers -= 1
            if self._workers == 0:
                await self._watch.close()


class CeleryTasksPlugin(SimplePlugin):
    """For the Temporal workers whose task queue `run_celery_task` names: by default, the workflow's own."""

    def __init__(self, app: Celery, claims: TaskClaims) -> None:
        tasks = CeleryTaskActivity(CeleryCalls(app, claims))
        super().__init__("CeleryTasksPlugin", activities=[tasks.run], run_context=tasks.watching)


def _awaited_by(call: CeleryTaskCall) -> AwaitedBy:
    info = activity.info()
    if info.workflow_id is None or info.workflow_run_id is None or not info.heartbeat_timeout:
        raise ApplicationError("start this activity through run_celery_task()", non_retryable=True)
    return AwaitedBy(
        workflow_id=info.workflow_id,
        run_id=info.workflow_run_id,
        activity_id=info.activity_id,
        retry_failures=call.retry_failures,
        heartbeat_timeout=info.heartbeat_timeout,
    )


def _bound_s() -> float:
    info = activity.info()
    return (info.start_to_close_timeout or info.schedule_to_close_timeout or timedelta(days=1)).total_seconds()
