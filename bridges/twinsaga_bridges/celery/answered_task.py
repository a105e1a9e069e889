"""The Celery side of a task that a workflow answers: its body, which starts the workflow, and its `revoke`."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

from celery import Celery, Task, states
from celery.exceptions import Ignore, TaskRevokedError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import CancelledError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.answer_caller import dumped, exception_of, ignores_result
from twinsaga_bridges.celery.blocking_calls import BlockingCalls
from twinsaga_bridges.celery.caller import CALLER_SIGNAL, CeleryCaller, StartWorkflow, failed_end
from twinsaga_bridges.celery.revocations import (
    on_revoke,
    remember,
    remembered,
    revocation_key,
    run_key,
    was_revoked,
    workflow_key,
)
from twinsaga_bridges.celery.waiting_callers import remember_caller
from twinsaga_bridges.client_per_process import ClientPerProcess

START_DEADLINE_S = 15.0
LONGEST_RETRY_DELAY_S = 30
TRANSIENT = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}
CANCEL_DEADLINE_S = 30.0
NOT_STARTED = (states.PENDING, states.RECEIVED, states.REJECTED, states.RETRY)
OPEN = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
LARGEST_REQUEST = 2 * 1024 * 1024 - 64 * 1024
"""Bytes. Temporal's default limit for the payloads of one signal or activity, less room for the other arguments."""


def answerable_request(task: "Task[Any, Any]") -> str:
    """Return what a workflow needs of the task's request, to answer it later.

    Raises:
        RuntimeError: the task was called like a function, or runs eagerly.
        ValueError: Temporal would not accept the request.
    """
    request = task.request
    if request.is_eager and task.app.conf.task_always_eager:
        raise RuntimeError(
            f"{task.name} is answered by a workflow, and task_always_eager is on, so no worker starts it: in a test, "
            "use `twinsaga_bridges.testing.celery.workflow_of(task, ...)`, or a real worker"
        )
    if request.called_directly or request.is_eager:
        raise RuntimeError(f"{task.name} is answered by a workflow: call it with delay() or apply_async()")
    serialised = dumped(task)
    size = len(json.dumps(serialised))
    if size > LARGEST_REQUEST:
        raise ValueError(f"the request of {task.name} has {size} bytes, more than the {LARGEST_REQUEST} of a workflow")
    return serialised


def start_or_join(task: "Task[Any, Any]", answerable: str, chosen: StartWorkflow, client: ClientPerProcess) -> Any:  # noqa: ANN401
    """Start the workflow, or add this task to its callers if it runs already. Return the result if it has closed.

    Raises:
        Ignore: the workflow runs and answers later; Celery stores nothing for this execution.
        Retry: Temporal is away.
        Exception: the failure of a workflow that has closed.
    """
    request = task.request
    workflow_id = chosen.id or f"celery-task/{request.id}"
    _store_workflow_id(task, workflow_id)
    caller = CeleryCaller(task_id=str(request.id), workflow_id=workflow_id, request=answerable)
    try:
        _start(task, chosen, caller, client)
        if was_revoked(task):  # meanwhile: the command may have come before the workflow existed
            client.call(lambda connected: connected.get_workflow_handle(workflow_id).cancel(), START_DEADLINE_S)
    except WorkflowAlreadyStartedError:
        return _result_of_closed(task, workflow_id, client)
    except (RPCError, RuntimeError, TimeoutError) as error:  # connecting to a server that is away raises the last two
        if isinstance(error, RPCError) and error.status not in TRANSIENT:
            raise
        raise task.retry(exc=error, countdown=min(2**request.retries, LONGEST_RETRY_DELAY_S)) from error
    raise Ignore


def _start(task: "Task[Any, Any]", chosen: StartWorkflow, caller: CeleryCaller, client: ClientPerProcess) -> None:
    """Raises WorkflowAlreadyStartedError: the workflow has closed, and the task gets its outcome."""
    key = run_key(caller.task_id)
    run_id = remembered(task.backend, key)
    if run_id is not None:
        # Celery delivers the task again. Its run may wait, or have answered it: then a new one would do the work twice.
        if client.call(lambda connected: _is_open(connected, caller.workflow_id, run_id), START_DEADLINE_S):
            return
        if ignores_result(task) or _is_answered(task):
            raise Ignore
        chosen = replace(
            chosen,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
    started = client.call(lambda connected: _signal_with_start(connected, chosen, caller), START_DEADLINE_S)
    remember(task.backend, key, started)


async def _is_open(client: Client, workflow_id: str, run_id: str) -> bool:
    try:
        return (await client.get_workflow_handle(workflow_id, run_id=run_id).describe()).status in OPEN
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False


def _is_answered(task: "Task[Any, Any]") -> bool:
    return task.backend.get_state(str(task.request.id)) in states.READY_STATES


def _store_workflow_id(task: "Task[Any, Any]", workflow_id: str) -> None:
    # Before the workflow starts: afterwards this could overwrite the progress that the workflow reports. The state must
    # not stay PENDING, because Celery's own `revoke` ends a pending task at once, before the workflow is cancelled.
    backend: Any = task.backend
    remember(backend, workflow_key(str(task.request.id)), workflow_id)
    if ignores_result(task):
        return
    remember_caller(backend, workflow_id, str(task.request.id))
    if backend.get_state(task.request.id) in (states.PENDING, states.RETRY):
        task.update_state(state=states.STARTED, meta={"workflow_id": workflow_id})


async def _signal_with_start(client: Client, chosen: StartWorkflow, caller: CeleryCaller) -> str:
    """Return the id of the run that was started or joined."""
    handle = await client.start_workflow(
        chosen.workflow,
        args=chosen.args,
        id=caller.workflow_id,
        task_queue=chosen.task_queue,
        execution_timeout=chosen.execution_timeout,
        run_timeout=chosen.run_timeout,
        task_timeout=chosen.task_timeout,
        id_reuse_policy=chosen.id_reuse_policy,
        id_conflict_policy=chosen.id_conflict_policy,
        memo=chosen.memo,
        search_attributes=chosen.search_attributes,
        static_summary=chosen.static_summary,
        static_details=chosen.static_details,
        start_signal=CALLER_SIGNAL,
        start_signal_args=[caller],
        priority=chosen.priority,
    )
    return str(handle.result_run_id)


def _result_of_closed(task: "Task[Any, Any]", workflow_id: str, client: ClientPerProcess) -> Any:  # noqa: ANN401
    if _is_answered(task):
        raise Ignore  # the broker delivered the task again after it had been answered
    try:
        return client.call(lambda connected: connected.get_workflow_handle(workflow_id).result(), START_DEADLINE_S)
    except WorkflowFailureError as error:
        if isinstance(error.cause, CancelledError):
            raise TaskRevokedError(f"the workflow {workflow_id} was cancelled") from error
        raise exception_of(failed_end(error.cause), {}) from error


class RevokeCancelsWorkflow:
    """Extends Celery's `revoke` command, so that revoking a task cancels the workflow that answers it.

    The body of the task has returned long ago, or has not begun: Celery itself has nothing left to stop.
    """

    def __init__(self, app: Celery, client: ClientPerProcess) -> None:
        self._app = app
        self._client = client
        self._calls = BlockingCalls("celery-revoke")
        on_revoke(self._revoke)

    def _revoke(self, task_id: str) -> bool:
        # The record first: a body that starts its workflow now reads it after that, and one that has started it has
        # stored the workflow's id before that.
        remember(self._app.backend, revocation_key(task_id), "revoked")
        state = self._app.backend.get_state(task_id)
        # A task that is answered needs no cancellation; a later run under the same workflow id is not its own. Celery
        # below 5.7 stores REVOKED at once: then a worker without these tasks may have been faster.
        if state not in states.READY_STATES or state == states.REVOKED:
            self._client.start(partial(self._cancel, task_id), CANCEL_DEADLINE_S, f"revoke of task {task_id}")
        # The same version would store it while the workflow still undoes its work, or over the result.
        return state in NOT_STARTED or remembered(self._app.backend, workflow_key(task_id)) is None

    async def _cancel(self, task_id: str, client: Client) -> None:
        backend: Any = self._app.backend
        workflow_id = await self._calls.on_thread(backend.get, workflow_key(task_id))
        if workflow_id is None:
            return
        workflow = client.get_workflow_handle(bytes(workflow_id).decode())
        newest = await _described(workflow)
        if newest is None:
            return  # the body is about to start it
        run_id = await self._calls.on_thread(remembered, backend, run_key(task_id))
        if newest.status == WorkflowExecutionStatus.RUNNING and await _answers(client, newest, run_id):
            await workflow.cancel(reason=f"Celery task {task_id} revoked")
        else:
            await self._calls.on_thread(self._end_unanswered, task_id)

    def _end_unanswered(self, task_id: str) -> None:
        """End a task whose workflow closed without an answer, for example because it was terminated."""
        if self._app.backend.get_state(task_id) not in states.READY_STATES:
            self._app.backend.mark_as_revoked(task_id, "revoked", store_result=True)


async def _answers(client: Client, newest: WorkflowExecutionDescription, run_id: str | None) -> bool:
    """Return whether the newest run goes on with the run of a task. Another task may have started a run of its own."""
    if run_id is None or run_id == newest.run_id:
        return True
    own = await _described(client.get_workflow_handle(newest.id, run_id=run_id))
    return own is not None and _first_run_id(own) == _first_run_id(newest)


async def _described(workflow: WorkflowHandle[Any, Any]) -> WorkflowExecutionDescription | None:
    """Return None if the workflow does not exist."""
    try:
        return await workflow.describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return None


def _first_run_id(described: WorkflowExecutionDescription) -> str:
    """Runs that continued as new, or were retried, have it in common."""
    return described.raw_info.first_run_id
