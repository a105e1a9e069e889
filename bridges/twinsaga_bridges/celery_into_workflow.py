"""A workflow answers an existing Celery task; its callers keep calling `delay()` and `get()`.

In the Celery app:

    tasks = TasksAnsweredByWorkflows(app, ClientPerProcess(connect))

    @tasks.task(name="reports.render")
    def render(report):
        return StartWorkflow(workflow="RenderReport", args=[report], task_queue="reports")

In the workflow's worker: `Worker(..., plugins=[CeleryCallersPlugin(app)])`, with the app's task modules imported.

`docs/bridges/celery_into_workflow.md` lists the guarantees.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

from celery import Celery, Task
from temporalio import activity
from temporalio.plugin import SimplePlugin

from twinsaga_bridges.celery.answer_caller import finish, report_progress
from twinsaga_bridges.celery.answered_task import RevokeCancelsWorkflow, answerable_request, start_or_join
from twinsaga_bridges.celery.app_checks import app_itself, require_redis_results
from twinsaga_bridges.celery.blocking_calls import BlockingCalls
from twinsaga_bridges.celery.caller import FINISH_ACTIVITY, PROGRESS_ACTIVITY, CeleryCaller, StartWorkflow, WorkflowEnd
from twinsaga_bridges.celery.callers_interceptor import CeleryCallersInterceptor, DescribeStep, describe_step
from twinsaga_bridges.celery.revocations import end_if_revoked
from twinsaga_bridges.celery.task_call import CeleryTaskCall
from twinsaga_bridges.client_per_process import ClientPerProcess

__all__ = [
    "CeleryCallersPlugin",
    "CeleryTaskCall",
    "ClientPerProcess",
    "DescribeStep",
    "StartWorkflow",
    "TasksAnsweredByWorkflows",
    "describe_step",
]

P = ParamSpec("P")
START_RETRIES = 100


class TasksAnsweredByWorkflows:
    """Defines the tasks of one Celery app that workflows answer. Create one for each app.

    Raises ImproperlyConfigured: the app's result backend is not Redis. An eager app needs none.
    """

    def __init__(self, app: Celery, client: ClientPerProcess) -> None:
        app = app_itself(app)
        if not app.conf.task_always_eager:
            require_redis_results(app)
        self._app = app
        self._client = client
        RevokeCancelsWorkflow(app, client)

    def task(self, **options: Any) -> Callable[[Callable[P, StartWorkflow]], "Task[P, Any]"]:  # noqa: ANN401 - Celery's
        """Like `app.task(**options)`, for a function that returns the workflow to start.

        Celery may deliver a task twice, so the function must return the same for the same task id
        (`celery.current_task.request.id`) and arguments, and must be idempotent. While Temporal is away the task is
        retried, up to `max_retries` times.
        """
        client = self._client

        def decorate(choose: Callable[P, StartWorkflow]) -> "Task[P, Any]":
            @wraps(choose)
            def body(self: "Task[Any, Any]", *args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - the workflow's
                # First, because `choose` may write: a task that cannot be answered must have no effect.
                answerable = answerable_request(self)
                end_if_revoked(self)
                return start_or_join(self, answerable, choose(*args, **kwargs), client)

            app: Any = self._app  # its types lack a task that is made from options
            task: Task[P, Any] = app.task(bind=True, **{"max_retries": START_RETRIES, **options})(body)
            return task

        return decorate


class CeleryCallersPlugin(SimplePlugin):
    """For the Temporal workers of the workflows that answer Celery tasks.

    Args:
        app: the Celery app, or one with the same broker and backend. New-style errbacks need its tasks registered.
        describe: what the state PROGRESS shows. By default `{"step": name}`, the name of the activity or Celery task.
        failures: exception classes by name, for callers that catch classes of their own. Builtin ones need no entry.
    """

    def __init__(
        self,
        app: Celery,
        *,
        describe: DescribeStep = describe_step,
        failures: Mapping[str, type[Exception]] | None = None,
    ) -> None:
        answers = _Answers(app, failures or {})
        super().__init__(
            "CeleryCallersPlugin",
            interceptors=[CeleryCallersInterceptor(describe)],
            activities=[answers.finish, answers.progress],
        )


class _Answers:
    def __init__(self, app: Celery, failures: Mapping[str, type[Exception]]) -> None:
        self._app = app
        self._failures = failures
        self._calls = BlockingCalls("celery-answers")

    @activity.defn(name=FINISH_ACTIVITY)
    async def finish(self, caller: CeleryCaller, end: WorkflowEnd, result: Any) -> None:  # noqa: ANN401 - any workflow's
        await self._calls.on_thread(finish, self._app, caller.request, end, result, self._failures)

    @activity.defn(name=PROGRESS_ACTIVITY)
    async def progress(self, caller: CeleryCaller, meta: dict[str, Any]) -> None:
        await self._calls.on_thread(report_progress, self._app, caller, meta)
