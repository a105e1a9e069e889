"""A workflow awaits a Celery task, which it calls by name.

In the workflow: `await run_celery_task("package.task", "an argument", within=timedelta(hours=1))`.
In the Temporal worker: `Worker(..., plugins=[CeleryTasksPlugin(celery_app, TaskClaims.at(redis_url))])`.
In the Celery app, after `app = Celery(...)`: `install(app, ClientPerProcess(connect), TaskClaims.at(redis_url))`.

`docs/bridges/workflow_into_celery.md` lists the guarantees.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType
from typing_extensions import TypeVar  # that of `typing` has a default only from Python 3.13

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.celery.task_activity import CeleryTasksPlugin
    from twinsaga_bridges.celery.task_call import ACTIVITY, CeleryTaskCall
    from twinsaga_bridges.celery.task_claims import TaskClaims
    from twinsaga_bridges.celery.worker_signals import install
    from twinsaga_bridges.client_per_process import ClientPerProcess

__all__ = ["CeleryTasksPlugin", "ClientPerProcess", "TaskClaims", "install", "run_celery_task"]

R = TypeVar("R", default=Any)


async def run_celery_task(  # noqa: PLR0913 - keywords, all but one with a default
    name: str,
    *args: object,
    within: timedelta,
    result_type: type[R] | None = None,
    kwargs: Mapping[str, object] | None = None,
    queue: str | None = None,
    terminate: bool = False,
    retry_failures: RetryPolicy | None = None,
    heartbeat_timeout: timedelta = timedelta(seconds=10),
    task_queue: str | None = None,
    summary: str | None = None,
) -> R:
    """Send the task to Celery and wait for its result. No slot of a Temporal worker is held meanwhile.

    Args:
        name: the task's name in Celery.
        args: its positional arguments. Arguments and results must be JSON.
        within: timeout for queueing, running and all of Celery's own retries together.
        result_type: the type to decode the result to, as for an activity.
        kwargs: the task's keyword arguments.
        queue: Celery's queue; by default the one that the app of the CeleryTasksPlugin routes the task to.
        terminate: on cancellation, kill a running task; by default it may finish.
        retry_failures: policy for running the task again after its final failure; by default the await fails.
        heartbeat_timeout: a task counts as lost after this time without a sign of life; five are sent in it.
        task_queue: Temporal task queue of a worker with the `CeleryTasksPlugin`; by default this workflow's own.
        summary: shown in the Temporal UI; by default the task's name.

    Raises:
        ActivityError: its cause is an `ApplicationError` with the task's exception class as `type` and its message,
            or `WorkerLostError`, `TaskRevokedError`, `NotRegistered`, `CeleryResultTooLarge`,
            `CeleryResultNotEncodable`, `CeleryResultLost`; or Temporal's `TimeoutError`.
    """
    call = CeleryTaskCall(
        name=name,
        args=args,
        kwargs=dict(kwargs or {}),
        queue=queue,
        terminate=terminate,
        retry_failures=retry_failures is not None,
    )
    result: R = await workflow.execute_activity(
        ACTIVITY,
        call,
        result_type=result_type,
        task_queue=task_queue,
        schedule_to_close_timeout=within,
        start_to_close_timeout=within,
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=retry_failures or RetryPolicy(maximum_interval=timedelta(seconds=30)),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary or name,
    )
    return result
