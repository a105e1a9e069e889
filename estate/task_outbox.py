"""Sends the tasks of the outbox: to Celery, or as a workflow to Temporal."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from adapters.sql.estate import Estate
from runtime.settings import Settings
from services.estate.records import QueuedTask, VideoEngine
from twinsaga_bridges.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

MAX_TASKS = 500
OPEN_S = 5.0

StartWorkflow = Callable[[QueuedTask], None]


class TaskOutbox:
    """A task that cannot be sent now is sent by the sweep. A task that is sent twice keeps its task id."""

    def __init__(self, settings: Settings, estate: Estate, start_workflow: StartWorkflow) -> None:
        self._settings = settings
        self._estate = estate
        self._start_workflow = start_workflow
        self._celery: Celery | None = None
        self._lock = threading.Lock()
        # Shared by threads, though a breaker is not thread-safe: at worst, two of them probe at the same time.
        self._breakers = {engine: CircuitBreaker(OPEN_S, time.monotonic) for engine in VideoEngine}

    def celery(self) -> "Celery":
        from estate.app import celery_app  # noqa: PLC0415 - Celery's import would delay the start of the API

        with self._lock:  # two threads must share one app
            self._celery = self._celery or celery_app(self._settings)
            return self._celery

    def send_after_commit(self, task: QueuedTask) -> None:
        """Send a task whose row is committed. Never raises; does nothing while the engine's breaker is open."""
        # A caller on a request's thread must not wait out the connect timeout of an engine that has just failed.
        if self._breakers[task.engine].allows():
            self._send(task)

    def send_due(self) -> int:
        """Send the tasks that are due, at most MAX_TASKS. Return how many were sent. Raises DatabaseFault."""
        away: set[VideoEngine] = set()
        count = 0
        for task in self._estate.due(MAX_TASKS):
            if task.engine not in away:
                if self._send(task):
                    count += 1
                else:
                    away.add(task.engine)
        return count

    def _send(self, task: QueuedTask) -> bool:
        # Sent first, then marked: a crash in between sends the task again, under the same id.
        try:
            if task.engine is VideoEngine.TEMPORAL:
                self._start_workflow(task)
                self._estate.ended(task.task_id)
            else:
                self._send_to_celery(task)
                self._estate.sent(task.task_id, self._again_after)
        except Exception as error:  # noqa: BLE001 - whatever failed, the row stays and the sweep sends it
            log.warning("task is left to the sweep", task=task.task, task_id=task.task_id, error=repr(error))
            self._breakers[task.engine].record_failure()
            return False
        self._breakers[task.engine].record_success()
        return True

    def _send_to_celery(self, task: QueuedTask) -> None:
        self.celery().send_task(task.task, args=task.arguments, task_id=task.task_id, retry=False)

    @property
    def _again_after(self) -> timedelta:
        """A task that is still open after this time was lost by the broker: a live one has ended or was redelivered."""
        return timedelta(
            seconds=4 * self._settings.task_time_limit_seconds + 8 * self._settings.video_retry_base_seconds
        )
