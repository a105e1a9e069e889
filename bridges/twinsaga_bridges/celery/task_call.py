"""The call of a Celery task, as the input of the activity that makes it. Imports nothing of Celery."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ACTIVITY = "run_celery_task"


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
