"""Messages between a Celery task and the workflow that it started. Imports nothing of Celery."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, FailureError

CALLER_SIGNAL = "celery-caller"
FINISH_ACTIVITY = "finish_celery_task"
PROGRESS_ACTIVITY = "report_celery_progress"
MESSAGE_LIMIT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflow:
    """The workflow that answers a Celery task.

    `id`: two tasks with the same id share one workflow, and both get its result. None: one workflow for each task.
    """

    workflow: str
    args: Sequence[Any] = ()
    task_queue: str
    id: str | None = None
    static_summary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryCaller:
    """A Celery task that waits for a workflow. `request` is its Celery request, serialised by Celery's JSON."""

    task_id: str
    workflow_id: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowEnd:
    kind: Literal["succeeded", "failed", "revoked"]
    error_type: str = ""
    message: str = ""


def failed_end(error: BaseException) -> WorkflowEnd:
    """Report the root cause: Temporal wraps the failure of an activity or a child workflow, perhaps several times."""
    cause = error
    while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
        cause = cause.cause
    error_type = (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__
    message = cause.message if isinstance(cause, FailureError) else str(cause)
    return WorkflowEnd(kind="failed", error_type=error_type, message=message[:MESSAGE_LIMIT])
