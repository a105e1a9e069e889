"""Ends a Celery task from outside its worker, with all that the worker would do: chain, callbacks, chord, errbacks."""

import builtins
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task, states
from celery.app.task import Context
from celery.utils.serialization import create_exception_cls
from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads

from twinsaga_bridges.celery.caller import CeleryCaller, WorkflowEnd
from twinsaga_bridges.celery.waiting_callers import PROGRESS

REQUEST_FIELDS = (
    "id task root_id parent_id group group_index chord chain callbacks errbacks delivery_info headers "
    "reply_to correlation_id stamped_headers stamps replaced_task_nesting"
).split()
ARGUMENT_FIELDS = ("args", "kwargs")  # needed only where the backend stores them with the result


def ignores_result(task: "Task[Any, Any]") -> bool:
    """Return the caller's choice, or else the task's option."""
    chosen = vars(task.request).get("ignore_result")
    return bool(task.ignore_result if chosen is None else chosen)


def dumped(task: "Task[Any, Any]") -> str:
    """Serialise what `finish` needs of the task's current request."""
    names = (*REQUEST_FIELDS, *ARGUMENT_FIELDS) if task.app.conf.result_extended else REQUEST_FIELDS
    fields = {name: value for name in names if (value := getattr(task.request, name, None)) is not None}
    return dumps({**fields, "ignore_result": ignores_result(task)})


def finish(app: Celery, request_json: str, end: WorkflowEnd, result: object, failures: Mapping[str, type]) -> None:
    """End the task. Repeatable: the result is stored again, but the chain is not sent a second time."""
    request: Any = Context(loads(request_json))
    task_id, stored = request.id, not request.ignore_result
    task = app.tasks.get(request.task)
    backend = task.backend if task is not None else app.backend
    if end.kind == "succeeded":
        # A stored SUCCESS means that an earlier attempt has sent the chain. The result comes last for that reason.
        if not stored or backend.get_state(task_id) != states.SUCCESS:
            _send_callbacks(app, request, result)
        try:
            backend.mark_as_done(task_id, result, request=request, store_result=stored)
        except EncodeError as error:
            backend.mark_as_failure(task_id, error, request=request, store_result=stored)
    elif end.kind == "failed":
        backend.mark_as_failure(task_id, exception_of(end, failures), request=request, store_result=stored)
    elif backend.get_state(task_id) not in states.READY_STATES:
        backend.mark_as_revoked(task_id, end.message, request=request, store_result=stored)


def _send_callbacks(app: Celery, request: Context, result: object) -> None:
    # Celery's tracer does this before it stores the result; `mark_as_done` does not.
    route: dict[str, Any] = {"parent_id": request.id, "root_id": request.root_id or request.id}
    if app.conf.task_inherit_parent_priority:
        route["priority"] = (request.delivery_info or {}).get("priority")
    for callback in request.callbacks or ():
        app.signature(callback).apply_async((result,), **route)
    if request.chain:
        app.signature(request.chain[-1]).apply_async((result,), chain=request.chain[:-1], **route)


def exception_of(end: WorkflowEnd, failures: Mapping[str, type]) -> Exception:
    """Make the exception that `.get()` raises: one of `failures`, a builtin one, or a class made for this name."""
    known = failures.get(end.error_type) or getattr(builtins, end.error_type, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        known = create_exception_cls(end.error_type, "celery.exceptions")
    try:
        error: Exception = known(end.message)
    except TypeError:  # its constructor takes other arguments
        error = create_exception_cls(end.error_type, "celery.exceptions")(end.message)
    return error


def report_progress(app: Celery, caller: CeleryCaller, meta: Mapping[str, Any]) -> None:
    request = Context(loads(caller.request))
    if request.ignore_result or app.backend.get_state(caller.task_id) in states.READY_STATES:
        return
    app.backend.store_result(caller.task_id, {**meta, "workflow_id": caller.workflow_id}, PROGRESS, request=request)
