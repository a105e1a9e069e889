"""Ends a Celery task from outside its worker, as the worker would have: chain, callbacks, chord, errbacks included."""

import builtins
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task, states
from celery.app.task import Context
from celery.utils.serialization import create_exception_cls
from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads

from twinsaga_bridges.celery.caller import CeleryCaller, WorkflowEnd

CARRIED = (
    "id task root_id parent_id group group_index chord chain callbacks errbacks delivery_info headers "
    "reply_to correlation_id stamped_headers stamps replaced_task_nesting"
).split()
ARGUMENTS = ("args", "kwargs")  # needed, and so carried, only where the backend stores them with the result


def ignores_result(task: "Task[Any, Any]") -> bool:
    """The caller's word goes before the task's option."""
    asked = vars(task.request).get("ignore_result")
    return bool(task.ignore_result if asked is None else asked)


def dumped(task: "Task[Any, Any]") -> str:
    """The current request of `task`."""
    names = (*CARRIED, *ARGUMENTS) if task.app.conf.result_extended else CARRIED
    fields = {name: value for name in names if (value := getattr(task.request, name, None)) is not None}
    return dumps({**fields, "ignore_result": ignores_result(task)})


def finish(app: Celery, request_json: str, end: WorkflowEnd, result: object, failures: Mapping[str, type]) -> None:
    """May be called again for the same task: its end is then stored again, and its chain not sent a second time."""
    request: Any = Context(loads(request_json))
    task_id, stored = request.id, not request.ignore_result
    task = app.tasks.get(request.task)
    backend = task.backend if task is not None else app.backend
    if end.kind == "succeeded":
        if not stored or backend.get_state(task_id) != states.SUCCESS:
            _dispatch(app, request, result)
        try:
            backend.mark_as_done(task_id, result, request=request, store_result=stored)
        except EncodeError as error:
            backend.mark_as_failure(task_id, error, request=request, store_result=stored)
    elif end.kind == "failed":
        backend.mark_as_failure(task_id, exception_of(end, failures), request=request, store_result=stored)
    elif backend.get_state(task_id) not in states.READY_STATES:
        backend.mark_as_revoked(task_id, end.message, request=request, store_result=stored)


def _dispatch(app: Celery, request: Context, result: object) -> None:
    """Celery's tracer does this before it stores the result; `mark_as_done` does not."""
    route: dict[str, Any] = {"parent_id": request.id, "root_id": request.root_id or request.id}
    if app.conf.task_inherit_parent_priority:
        route["priority"] = (request.delivery_info or {}).get("priority")
    for callback in request.callbacks or ():
        app.signature(callback).apply_async((result,), **route)
    if request.chain:
        app.signature(request.chain[-1]).apply_async((result,), chain=request.chain[:-1], **route)


def exception_of(end: WorkflowEnd, failures: Mapping[str, type]) -> Exception:
    known = failures.get(end.error_type) or getattr(builtins, end.error_type, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        known = create_exception_cls(end.error_type, "celery.exceptions")
    try:
        error: Exception = known(end.message)
    except TypeError:  # its constructor asks for something else
        error = create_exception_cls(end.error_type, "celery.exceptions")(end.message)
    return error


def tell_progress(app: Celery, caller: CeleryCaller, meta: Mapping[str, Any]) -> None:
    request = Context(loads(caller.request))
    if request.ignore_result or app.backend.get_state(caller.task_id) in states.READY_STATES:
        return
    app.backend.store_result(caller.task_id, {**meta, "workflow_id": caller.workflow_id}, "PROGRESS", request=request)
