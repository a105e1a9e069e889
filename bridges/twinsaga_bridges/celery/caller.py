"""Messages between a Celery task and the workflow that it started. Imports nothing of Celery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from temporalio.common import Priority, TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, FailureError

CALLER_SIGNAL = "celery-caller"
FINISH_ACTIVITY = "finish_celery_task"
PROGRESS_ACTIVITY = "report_celery_progress"
MESSAGE_LIMIT = 4_000
CONFLICT_POLICIES = (WorkflowIDConflictPolicy.USE_EXISTING, WorkflowIDConflictPolicy.TERMINATE_EXISTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflow:
    """The workflow that answers a Celery task. Fields that are not listed are those of `Client.start_workflow`.

    `id`: two tasks with the same id share one workflow, and both get its result. None: one workflow for each task.

    `id_reuse_policy`: what a task gets if the workflow of this id has closed. REJECT_DUPLICATE: its result or failure,
    whatever it was. ALLOW_DUPLICATE_FAILED_ONLY: its result, or a new run after a failure. ALLOW_DUPLICATE: a new run.

    `id_conflict_policy`: if it runs. USE_EXISTING: the task joins it. TERMINATE_EXISTING: a new run; the tasks that
    wait for the terminated one get no answer, so revoke them, which does not touch the new run.

    Whatever the policies are, a task that Celery delivers again starts no second run once it has noted the first.

    Raises ValueError: Temporal cannot signal a workflow with such a start. Raises TypeError: `args` is one text.
    """

    workflow: str
    args: Sequence[Any] = ()
    task_queue: str
    id: str | None = None
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE
    id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.USE_EXISTING
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    memo: Mapping[str, Any] | None = None
    search_attributes: TypedSearchAttributes | None = None
    static_summary: str | None = None
    static_details: str | None = None
    priority: Priority = Priority.default

    def __post_init__(self) -> None:
        if isinstance(self.args, str | bytes):
            raise TypeError(f"args of {self.workflow} must be a sequence of arguments, such as [{self.args!r}]")
        if self.id_reuse_policy is WorkflowIDReusePolicy.TERMINATE_IF_RUNNING:
            raise ValueError("TERMINATE_IF_RUNNING is deprecated: use id_conflict_policy=TERMINATE_EXISTING")
        if self.id_conflict_policy not in CONFLICT_POLICIES:
            raise ValueError("id_conflict_policy must be USE_EXISTING or TERMINATE_EXISTING")


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
