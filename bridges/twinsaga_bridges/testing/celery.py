"""Tests without Redis and Celery worker, of workflows that await tasks and of tasks that workflows answer."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from celery import Celery, Task, _state, states
from celery.backends.cache import CacheBackend
from celery.exceptions import NotRegistered
from kombu.utils.json import dumps, loads
from temporalio import activity
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.celery.caller import StartWorkflow
from twinsaga_bridges.celery.task_call import ACTIVITY, CeleryTaskCall
from twinsaga_bridges.celery.task_outcome import Failed, Outcome, Succeeded, as_failure, rejected_result, result_lost

__all__ = ["CeleryTasksInProcess", "workflow_of"]

HEARTBEAT_S = 0.5


class CeleryTasksInProcess(SimplePlugin):
    """Takes the place of CeleryTasksPlugin, and runs the app's tasks in the process of the Temporal worker.

    The tasks are called by Celery's own `apply`. Arguments and results are JSON, failures arrive as they do from a
    worker, and Celery's own retries happen at once. Nothing is queued, revoked or killed: a cancelled task finishes,
    and with `terminate` its result is dropped. Under time skipping the time stands while a task runs.

    `calls` are the calls so far.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._results = CacheBackend(app=app, url="memory://")
        self.calls: list[CeleryTaskCall] = []
        super().__init__("CeleryTasksInProcess", activities=[self._activity], run_context=self._results_in_memory)

    @activity.defn(name=ACTIVITY)
    async def _activity(self, call: CeleryTaskCall) -> Any:  # noqa: ANN401 - the task's own result
        self.calls.append(call)
        running = asyncio.ensure_future(asyncio.to_thread(self._outcome, call))
        try:
            while not running.done():
                activity.heartbeat()
                await asyncio.wait([running], timeout=HEARTBEAT_S)
        except asyncio.CancelledError:
            if call.terminate:
                raise
        outcome = await running
        if not isinstance(outcome, Succeeded):
            raise as_failure(outcome, retryable=call.retry_failures)
        if rejected := await rejected_result(activity.client(), outcome.result):
            raise rejected
        return outcome.result

    def _outcome(self, call: CeleryTaskCall) -> Outcome:
        task = self._app.tasks.get(call.name)
        if task is None:
            return Failed(NotRegistered(f"the Celery app has no task {call.name}"))
        args, kwargs = loads(dumps([list(call.args), dict(call.kwargs)]))
        ended = task.apply(args, kwargs, task_id=str(uuid4()), throw=False)
        if ended.state == states.SUCCESS:
            return Succeeded(loads(dumps(ended.result)))
        if ended.state == states.FAILURE:
            return Failed(ended.result, str(ended.traceback or ""))
        return result_lost()  # it raised Ignore: another program would store the result

    @asynccontextmanager
    async def _results_in_memory(self) -> AsyncIterator[None]:
        """`update_state` stores the progress in the result backend, which a test need not have."""
        tasks: list[Any] = [task for name, task in self._app.tasks.items() if not name.startswith("celery.")]
        before = [vars(task).get("_backend") for task in tasks]
        for task in tasks:
            task.backend = self._results
        try:
            yield
        finally:
            for task, backend in zip(tasks, before, strict=True):
                task.backend = backend


def workflow_of(task: "Task[Any, Any]", *args: Any, task_id: str | None = None, **kwargs: Any) -> StartWorkflow:  # noqa: ANN401 - the task's
    """Return the workflow that a task of TasksAnsweredByWorkflows would start, without Celery and Temporal.

    The task's function sees `celery.current_task.request`, with this `task_id`.
    """
    function: Any = inspect.unwrap(task)
    called: Any = task
    running: Any = vars(_state)["_task_stack"]
    running.push(called)
    called.push_request(id=task_id or str(uuid4()), args=args, kwargs=kwargs)
    try:
        chosen: StartWorkflow = function(*args, **kwargs)
        return chosen
    finally:
        called.pop_request()
        running.pop()
