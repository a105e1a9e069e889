"""What travels between the workflow, the claims in Redis and the Celery worker. Imports nothing of Celery."""

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

    `terminate`: a cancelled workflow kills the task when it runs already (SIGTERM to its process).
    `retry_failures`: Temporal's retry policy decides on the task's final failure, and an attempt runs the task anew.
    """

    name: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    terminate: bool = False
    retry_failures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedBy:
    """The activity that waits for a Celery task: enough to complete it from anywhere, whatever attempt it is at."""

    workflow_id: str
    run_id: str
    activity_id: str
    retry_failures: bool
    heartbeat_timeout: timedelta

    @property
    def key(self) -> str:
        """The same for every attempt of the activity, different for every activity."""
        identity = f"{self.workflow_id}\x00{self.run_id}\x00{self.activity_id}"
        return TASK_ID_PREFIX + hashlib.sha256(identity.encode()).hexdigest()[:32]

    @property
    def pulse_s(self) -> float:
        """Seconds between two signs of life; five may be missed."""
        return self.heartbeat_timeout.total_seconds() / 5


def task_id_of(key: str, run: int) -> str:
    """Celery's id of the `run`th time that the activity had its task run, counted from 1."""
    return f"{key}-{run}"


def key_and_run(task_id: str) -> tuple[str, int] | None:
    """None when no workflow waits for the task."""
    match = TASK_ID.fullmatch(task_id)
    return (match[1], int(match[2])) if match else None
