"""The outcome of a Celery task, and how the waiting activity is completed with it."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery, states
from temporalio.client import AsyncActivityHandle, Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.task_claims import WaitingActivity

# The server rejects a payload of 2 MiB; the difference is for the message around it.
RESULT_LIMIT_BYTES = 2 * 1024 * 1024 - 16 * 1024
RPC_DEADLINE = timedelta(seconds=10)
MESSAGE_LIMIT = 4_000
TRACEBACK_LIMIT = 8_000

log = logging.getLogger(__name__)


class CeleryResultLost(Exception):
    """The task has ended, and the result backend does not contain its outcome."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    error: BaseException
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Revoked:
    reason: str


Outcome = Succeeded | Failed | Revoked


def result_lost() -> Failed:
    return Failed(CeleryResultLost("the result backend does not contain the Celery task's outcome"))


def stored_outcome(app: Celery, task_id: str) -> Outcome | None:
    """Read the outcome from the result backend; None if it contains none, or none yet."""
    meta = app.backend.get_task_meta(task_id)
    status, result = meta["status"], meta["result"]
    if status == states.SUCCESS:
        return Succeeded(result)
    if status == states.REVOKED:
        return Revoked(str(result))
    if status == states.FAILURE:
        error = result if isinstance(result, BaseException) else RuntimeError(str(result))
        return Failed(error, str(meta.get("traceback") or ""))
    return None


def as_failure(outcome: Failed | Revoked, *, retryable: bool) -> ApplicationError:
    """Return an error whose type is the Python exception's class name, with details `{"traceback": ...}`.

    A revoked task is never retried: revoking it was a decision, not a fault.
    """
    if isinstance(outcome, Revoked):
        return ApplicationError(f"the Celery task was {outcome.reason}", type="TaskRevokedError", non_retryable=True)
    return ApplicationError(
        str(outcome.error)[:MESSAGE_LIMIT],
        {"traceback": outcome.traceback[-TRACEBACK_LIMIT:]},
        type=type(outcome.error).__name__,
        non_retryable=not retryable,
    )


async def rejected_result(client: Client, result: object) -> ApplicationError | None:
    """Return the error if Temporal cannot take this value as an activity's result, else None."""
    try:
        payloads = await client.data_converter.encode([result])
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"the Celery task's result, a {type(result).__name__}, cannot be encoded for Temporal: {error}"
        return ApplicationError(message[:MESSAGE_LIMIT], type="CeleryResultNotEncodable", non_retryable=True)
    size = sum(len(payload.data) for payload in payloads)
    if size <= RESULT_LIMIT_BYTES:
        return None
    message = (
        f"the Celery task's result has {size} bytes, more than the {RESULT_LIMIT_BYTES} of a Temporal payload: "
        "store it elsewhere and return its address"
    )
    return ApplicationError(message, type="CeleryResultTooLarge", non_retryable=True)


def activity_handle(client: Client, activity: WaitingActivity) -> AsyncActivityHandle:
    return client.get_async_activity_handle(
        workflow_id=activity.workflow_id, run_id=activity.run_id, activity_id=activity.activity_id
    )


async def report(client: Client, activity: WaitingActivity, outcome: Outcome) -> None:
    """Complete the activity. Does nothing if it has ended already."""
    handle = activity_handle(client, activity)
    try:
        if isinstance(outcome, Revoked):
            await _report_revoked(handle, outcome)
        elif isinstance(outcome, Failed):
            await handle.fail(as_failure(outcome, retryable=activity.retry_failures), rpc_timeout=RPC_DEADLINE)
        elif rejected := await rejected_result(client, outcome.result):
            await handle.fail(rejected, rpc_timeout=RPC_DEADLINE)
        else:
            await handle.complete(outcome.result, rpc_timeout=RPC_DEADLINE)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        log.info("activity %s of %s has ended already", activity.activity_id, activity.workflow_id)


async def _report_revoked(handle: AsyncActivityHandle, outcome: Revoked) -> None:
    try:
        await handle.report_cancellation(rpc_timeout=RPC_DEADLINE)
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        # The activity was not cancelled: the task was revoked in Celery, or it expired.
        await handle.fail(as_failure(outcome, retryable=False), rpc_timeout=RPC_DEADLINE)
