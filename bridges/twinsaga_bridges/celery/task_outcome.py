"""How the end of a Celery task reaches the activity that waits for it."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery, states
from temporalio.client import AsyncActivityHandle, Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.task_call import AwaitedBy

# The server refuses a payload of 2 MiB; the rest is for what encloses it.
RESULT_LIMIT_BYTES = 2 * 1024 * 1024 - 16 * 1024
RPC_DEADLINE = timedelta(seconds=10)
MESSAGE_LIMIT = 4_000
TRACEBACK_LIMIT = 8_000

log = logging.getLogger(__name__)


class CeleryResultLost(Exception):
    """The task has ended, and nothing tells how."""


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


Ending = Succeeded | Failed | Revoked


def stored_ending(app: Celery, task_id: str) -> Ending | None:
    """What Celery's result backend knows; None while the task has not ended, or when it knows nothing."""
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


def as_failure(ending: Failed | Revoked, *, retryable: bool) -> ApplicationError:
    """Its type is the Python exception's class name, its details are `{"traceback": ...}`.

    A revoked task is never retried: somebody wanted its end.
    """
    if isinstance(ending, Revoked):
        return ApplicationError(f"the Celery task was {ending.reason}", type="TaskRevokedError", non_retryable=True)
    return ApplicationError(
        str(ending.error)[:MESSAGE_LIMIT],
        {"traceback": ending.traceback[-TRACEBACK_LIMIT:]},
        type=type(ending.error).__name__,
        non_retryable=not retryable,
    )


async def unfit_for_temporal(client: Client, result: object) -> ApplicationError | None:
    """Why the result cannot be an activity's result, if so."""
    try:
        payloads = await client.data_converter.encode([result])
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"the Celery task's result, a {type(result).__name__}, cannot be encoded for Temporal: {error}"
        return ApplicationError(message[:MESSAGE_LIMIT], type="CeleryResultNotEncodable", non_retryable=True)
    size = sum(len(payload.data) for payload in payloads)
    if size <= RESULT_LIMIT_BYTES:
        return None
    message = (
        f"the Celery task's result has {size} bytes, a Temporal payload at most {RESULT_LIMIT_BYTES}: "
        "store it elsewhere and return where it is"
    )
    return ApplicationError(message, type="CeleryResultTooLarge", non_retryable=True)


def activity_handle(client: Client, by: AwaitedBy) -> AsyncActivityHandle:
    return client.get_async_activity_handle(workflow_id=by.workflow_id, run_id=by.run_id, activity_id=by.activity_id)


async def report(client: Client, by: AwaitedBy, ending: Ending) -> None:
    """End the activity; of an activity that has ended already, do nothing."""
    handle = activity_handle(client, by)
    try:
        if isinstance(ending, Revoked):
            await _report_revoked(handle, ending)
        elif isinstance(ending, Failed):
            await handle.fail(as_failure(ending, retryable=by.retry_failures), rpc_timeout=RPC_DEADLINE)
        elif unfit := await unfit_for_temporal(client, ending.result):
            await handle.fail(unfit, rpc_timeout=RPC_DEADLINE)
        else:
            await handle.complete(ending.result, rpc_timeout=RPC_DEADLINE)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        log.info("nobody waits for activity %s of %s any more", by.activity_id, by.workflow_id)


async def _report_revoked(handle: AsyncActivityHandle, ending: Revoked) -> None:
    try:
        await handle.report_cancellation(rpc_timeout=RPC_DEADLINE)
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        # Nobody cancelled the activity: the task was revoked from Celery's side, or it expired.
        await handle.fail(as_failure(ending, retryable=False), rpc_timeout=RPC_DEADLINE)
