"""The body of a Celery task that a workflow answers: it starts the workflow and leaves."""

from typing import Any, NoReturn

from celery import Task, states
from celery.exceptions import Ignore, TaskRevokedError
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import CancelledError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.answer_caller import dumped, exception_of, ignores_result
from twinsaga_bridges.celery.caller import CALLER_SIGNAL, CeleryCaller, StartWorkflow, failed_end
from twinsaga_bridges.client_per_process import ClientPerProcess

START_DEADLINE_S = 15.0
LONGEST_DELAY_S = 30
PASSING = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}


def workflow_key(task_id: str) -> str:
    """Where the result backend holds the id of the workflow that answers a task."""
    return f"celery-task-workflow-{task_id}"


def start_or_join(task: "Task[Any, Any]", wanted: StartWorkflow, client: ClientPerProcess) -> Any:  # noqa: ANN401
    """Return, or raise, only what a workflow that has closed already came to; else the workflow answers later."""
    request = task.request
    if request.called_directly or request.is_eager:
        raise RuntimeError(f"{task.name} is answered by a workflow: call it with delay() or apply_async()")
    workflow_id = wanted.id or f"celery-task/{request.id}"
    _announce(task, workflow_id)
    caller = CeleryCaller(task_id=str(request.id), workflow_id=workflow_id, request=dumped(task))
    try:
        client.call(lambda connected: _signal_with_start(connected, workflow_id, wanted, caller), START_DEADLINE_S)
    except WorkflowAlreadyStartedError:
        return _closed_earlier(task, workflow_id, client)
    except RPCError as error:
        if error.status not in PASSING:
            raise
        _try_later(task, error)
    except (RuntimeError, TimeoutError) as error:  # what a connect to a server that is away raises
        _try_later(task, error)
    raise Ignore


def _announce(task: "Task[Any, Any]", workflow_id: str) -> None:
    """Before the start, lest it overwrite the workflow's progress; `revoke` would end a task that is still pending."""
    backend: Any = task.backend
    backend.set(workflow_key(str(task.request.id)), workflow_id)
    if not ignores_result(task) and backend.get_state(task.request.id) in (
        states.PENDING,
        states.RETRY,
    ):
        task.update_state(state=states.STARTED, meta={"workflow_id": workflow_id})


async def _signal_with_start(client: Client, workflow_id: str, wanted: StartWorkflow, caller: CeleryCaller) -> None:
    await client.start_workflow(
        wanted.workflow,
        args=wanted.args,
        id=workflow_id,
        task_queue=wanted.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        start_signal=CALLER_SIGNAL,
        start_signal_args=[caller],
        static_summary=wanted.static_summary,
    )


def _closed_earlier(task: "Task[Any, Any]", workflow_id: str, client: ClientPerProcess) -> Any:  # noqa: ANN401
    if task.backend.get_state(str(task.request.id)) in states.READY_STATES:
        raise Ignore  # the task was delivered again after its end
    try:
        return client.call(lambda connected: connected.get_workflow_handle(workflow_id).result(), START_DEADLINE_S)
    except WorkflowFailureError as error:
        if isinstance(error.cause, CancelledError):
            raise TaskRevokedError(f"the workflow {workflow_id} was cancelled") from error
        raise exception_of(failed_end(error.cause), {}) from error


def _try_later(task: "Task[Any, Any]", error: Exception) -> NoReturn:
    delay = min(2**task.request.retries, LONGEST_DELAY_S)
    raise task.retry(exc=error, countdown=delay)
