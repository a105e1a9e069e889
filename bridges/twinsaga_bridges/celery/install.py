"""Puts the Celery worker's side of `workflow_into_celery` into an app."""

from typing import Any

from celery import Celery
from celery.exceptions import Ignore
from kombu.utils.imports import symbol_by_name

from twinsaga_bridges.celery.task_claims import TaskClaims
from twinsaga_bridges.celery.worker_signals import TasksThatWorkflowsAwait
from twinsaga_bridges.client_per_process import ClientPerProcess


def task_class(tasks: TasksThatWorkflowsAwait, base: type[Any]) -> type[Any]:
    # The app's own base class, unknown to the type checker.
    class AwaitedTask(base):  # type: ignore[misc]
        abstract = True

        def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if tasks.must_not_run(task_id):
                raise Ignore
            super().before_start(task_id, args, kwargs)

        def update_state(
            self, task_id: str | None = None, state: str | None = None, meta: object = None, **kwargs: object
        ) -> None:
            super().update_state(task_id, state, meta, **kwargs)
            tasks.progressed(task_id or self.request.id, state, meta)

    return AwaitedTask


def install(app: Celery, client: ClientPerProcess, claims: TaskClaims) -> None:
    """Let workflows await the tasks of this app. Call it before the app's first task is defined."""
    tasks = TasksThatWorkflowsAwait(client, claims)
    tasks.connect()
    settable: Any = app  # typed as if its task class could only be named
    settable.task_cls = task_class(tasks, symbol_by_name(settable.task_cls))
    vars(app).pop("Task", None)  # a cached property that may have been read already
