"""Makes revoking a task last. A Celery worker has it in memory only, and forgets it at a restart or after 3 hours.

Each worker that gets the command writes a record into the result backend, and the task reads it before it starts.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import Task, signals
from celery.exceptions import Ignore
from celery.utils.functional import maybe_list
from celery.worker.control import Panel
from celery.worker.state import revoked as revoked_in_this_worker

from twinsaga_bridges.celery.answer_caller import ignores_result

KEPT = timedelta(days=30)
"""Longer than any countdown. Results expire earlier, after a day by default."""
COMMANDS = ("revoke", "terminate")

log = logging.getLogger(__name__)


def revocation_key(task_id: str) -> str:
    return f"celery-task-revoked-{task_id}"


def workflow_key(task_id: str) -> str:
    """Return the result backend's key for the id of the workflow that answers a task."""
    return f"celery-task-workflow-{task_id}"


def run_key(task_id: str) -> str:
    """Return the result backend's key for the id of the run that a task has started or joined."""
    return f"celery-task-run-{task_id}"


def on_revoke(call: Callable[[str], bool]) -> None:
    """Call this with each id that the worker is told to revoke, in its main process, before Celery revokes the task.

    `call` returns whether Celery may revoke the task too. If not, it only refuses to run the task from now on.
    """

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def left_to_celery(task_id: str) -> bool:
            try:
                return call(task_id)
            except Exception:
                log.exception("the revocation of task %s may not last", task_id)
                return True

        def command(state: Any, *args: Any, task_id: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Celery's types
            told = [str(each) for each in maybe_list(task_id) or ()]
            left = [each for each in told if left_to_celery(each)]
            kept = [each for each in told if each not in left]
            revoked_in_this_worker.update(kept)
            if kept and not left:
                return {"ok": f"the workflows of the tasks {', '.join(kept)} are cancelled"}
            return original(state, *args, task_id=left, **kwargs)

        return command

    def wrap(**_: object) -> None:
        Panel.data.update({name: wrapped(Panel.data[name]) for name in COMMANDS})

    # Celery's commands arrive in the worker's main process, so they are wrapped when that starts.
    signals.worker_init.connect(wrap, weak=False)


def remember(backend: Any, key: str, value: str) -> None:  # noqa: ANN401 - a Redis backend
    backend.client.set(key, value, ex=KEPT)


def remembered(backend: Any, key: str) -> str | None:  # noqa: ANN401 - as above
    value = backend.client.get(key)
    return None if value is None else bytes(value).decode()


def was_revoked(task: "Task[Any, Any]") -> bool:
    backend: Any = task.backend
    return bool(backend.client.exists(revocation_key(str(task.request.id))))


def end_if_revoked(task: "Task[Any, Any]") -> None:
    """Raises Ignore: the task was revoked before its workflow was started; its callers get a TaskRevokedError."""
    backend: Any = task.backend
    if was_revoked(task) and not backend.client.exists(workflow_key(str(task.request.id))):
        # Also if Celery has stored that state: it did so without the chord that the task may be a part of.
        stored = not ignores_result(task)
        backend.mark_as_revoked(str(task.request.id), "revoked", request=task.request, store_result=stored)
        raise Ignore
