"""Hands promised tasks over: to Celery, or, as a workflow, to Temporal."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from adapters.sql.estate import Estate
from runtime.settings import Settings
from services.estate.mails import SEND_EMAIL
from services.estate.records import QueuedTask, VideoEngine

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

AT_ONCE = 500
QUIET_S = 5.0
"""After a failure only the sweep tries: whoever writes a promise must not wait for an engine that is away."""

StartWorkflow = Callable[[QueuedTask], None]


class TaskOutbox:
    """A task that cannot be handed over is left to the sweep. One that is handed over twice keeps its task id."""

    def __init__(self, settings: Settings, estate: Estate, start_workflow: StartWorkflow) -> None:
        self._settings = settings
        self._estate = estate
        self._start_workflow = start_workflow
        self._making = threading.Lock()
        self._quiet_until: dict[VideoEngine, float] = {}

    @cached_property
    def _celery(self) -> "Celery":
        from estate.app import celery_app  # noqa: PLC0415 - Celery's import would delay the start of the API

        return celery_app(self._settings)

    def celery(self) -> "Celery":
        with self._making:
            return self._celery

    def right_after_commit(self, task: QueuedTask) -> None:
        """Never raises."""
        if time.monotonic() >= self._quiet_until.get(task.engine, 0.0):
            self._hand_over(task)

    def hand_over_due(self) -> int:
        """Raises DatabaseFault."""
        away: set[VideoEngine] = set()
        count = 0
        for task in self._estate.due(AT_ONCE):
            if task.engine not in away:
                handed = self._hand_over(task)
                count += handed
                away |= set() if handed else {task.engine}
        return count

    def _hand_over(self, task: QueuedTask) -> bool:
        try:
            if task.engine is VideoEngine.TEMPORAL:
                self._start_workflow(task)
                self._estate.ended(task.task_id)
            else:
                self._send(task)
                self._estate.handed_over(task.task_id, self._again_after)
        except Exception as error:  # noqa: BLE001 - whatever it was, the promise stands and the sweep keeps it
            log.warning("a task is left to the sweep", task=task.task, task_id=task.task_id, error=repr(error))
            self._quiet_until[task.engine] = time.monotonic() + QUIET_S
            return False
        return True

    def _send(self, task: QueuedTask) -> None:
        # What Flower and the logs show of a task is no place for addresses and letters.
        shown = "(...)" if task.task == SEND_EMAIL else repr(task.arguments)
        app = self.celery()
        app.send_task(task.task, args=task.arguments, task_id=task.task_id, argsrepr=shown, retry=False)

    @property
    def _again_after(self) -> timedelta:
        """By then a task that the broker has not lost is at its end, or was delivered again."""
        return timedelta(
            seconds=4 * self._settings.task_time_limit_seconds + 8 * self._settings.video_retry_base_seconds
        )
