"""Data shared by the workflow, the claims in Redis and the Celery worker. Imports nothing of Celery."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

TASK_ID_PREFIX = "workflow-"
TASK_ID = re.compile(rf"({TASK_ID_PREFIX}[0-9a-f]{{32}})-(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryTaskCall:
    """Input of the activity that enqueues a Celery task.

    `terminate`: cancelling the workflow kills a running task (SIGTERM to its process).
    `retry_failures`: the activity's retry policy applies to the task's final failure; each attempt is a new task.
    """

    name: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    terminate: bool = False
    retry_failures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingActivity:
    """The activity that waits for a Celery task: what any process needs to complete it, whatever its attempt."""

    workflow_id: str
    run_id: str
    activity_id: str
    retry_failures: bool
    heartbeat_timeout: timedelta

    @property
    def key(self) -> str:
        """Unique for each activity, the same for all of its attempts."""
        identity = f"{self.workflow_id}\x00{self.run_id}\x00{self.activity_id}"
        return TASK_ID_PREFIX + hashlib.sha256(identity.encode()).hexdigest()[:32]

    @property
    def check_interval_s(self) -> float:
        """Seconds between two signs of life. Five missed ones are a heartbeat timeout."""
        return self.heartbeat_timeout.total_seconds() / 5


def task_id_of(key: str, run: int) -> str:
    """Return Celery's id for the `run`th task of the activity, counted from 1."""
    return f"{key}-{run}"


def key_and_run(task_id: str) -> tuple[str, int] | None:
    """Parse such an id; None for the id of a task that no workflow waits for."""
    match = TASK_ID.fullmatch(task_id)
    return (match[1], int(match[2])) if match else None
