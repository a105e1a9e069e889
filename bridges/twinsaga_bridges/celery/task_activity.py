"""The activity that enqueues a Celery task and returns at once, and the plugin that registers it.

The activity stays open in Temporal and is completed by the task's end, so it holds no slot of its worker meanwhile.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from celery import Celery
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.celery.app_checks import refuse_eager, require_kept_results, require_same_redis
from twinsaga_bridges.celery.task_call import ACTIVITY, CeleryTaskCall
from twinsaga_bridges.celery.task_claims import TaskClaims, TaskState, WaitingActivity
from twinsaga_bridges.celery.task_outcome import Succeeded, as_failure, rejected_result, result_lost, stored_outcome
from twinsaga_bridges.celery.task_watch import CeleryCalls, OpenTask, TaskWatch


class CeleryTaskActivity:
    def __init__(self, calls: CeleryCalls) -> None:
        self._calls = calls
        self._watch = TaskWatch(calls)
        self._workers = 0

    @activity.defn(name=ACTIVITY)
    async def run(self, call: CeleryTaskCall) -> Any:  # noqa: ANN401 - the task's own result
        waiting = _waiting_activity(call)
        task_id, state = await self._calls.on_thread(self._calls.claims.claim, waiting)
        if state is TaskState.CANCELLED:
            raise ApplicationError("the Celery task was revoked", type="TaskRevokedError", non_retryable=True)
        if state is TaskState.SENDING:
            await self._calls.send(call, task_id)
        if state is not TaskState.FINISHED:
            info = activity.info()
            deadline = info.start_to_close_timeout or info.schedule_to_close_timeout or timedelta(days=1)
            self._watch.add(OpenTask(activity.client(), call, waiting, task_id), deadline.total_seconds())
            activity.raise_complete_async()
        # The task of an earlier attempt has ended, and its report was lost.
        outcome = await self._calls.on_thread(stored_outcome, self._calls.app, task_id) or result_lost()
        if not isinstance(outcome, Succeeded):
            raise as_failure(outcome, retryable=call.retry_failures)
        if rejected := await rejected_result(activity.client(), outcome.result):
            raise rejected
        return outcome.result

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Close the watch when the last worker that shares the plugin has stopped."""
        self._workers += 1
        try:
            yield
        finally:
            self._workers -= 1
            if self._workers == 0:
                await self._watch.close()


class CeleryTasksPlugin(SimplePlugin):
    """For the Temporal workers of the task queue that `run_celery_task` uses: by default the workflow's own.

    Raises ImproperlyConfigured: the app has no result backend, or is eager, or the claims are in another Redis.
    """

    def __init__(self, app: Celery, claims: TaskClaims) -> None:
        refuse_eager(app)
        require_kept_results(app)
        require_same_redis(app, claims)
        tasks = CeleryTaskActivity(CeleryCalls(app, claims))
        super().__init__("CeleryTasksPlugin", activities=[tasks.run], run_context=tasks.watching)


def _waiting_activity(call: CeleryTaskCall) -> WaitingActivity:
    info = activity.info()
    if info.workflow_id is None or info.workflow_run_id is None or not info.heartbeat_timeout:
        raise ApplicationError("start this activity through run_celery_task()", non_retryable=True)
    return WaitingActivity(
        workflow_id=info.workflow_id,
        run_id=info.workflow_run_id,
        activity_id=info.activity_id,
        retry_failures=call.retry_failures,
        heartbeat_timeout=info.heartbeat_timeout,
    )
