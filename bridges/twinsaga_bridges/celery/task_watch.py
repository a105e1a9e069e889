"""Keeps an activity alive while its Celery task waits or runs, and mends what the task's worker could not report."""

import asyncio
import json
import logging
from dataclasses import dataclass

from celery.exceptions import WorkerLostError
from kombu.exceptions import OperationalError
from redis import RedisError
from temporalio.client import AsyncActivityCancelledError, Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.client import CeleryCalls
from twinsaga_bridges.celery.task_call import AwaitedBy, CeleryTaskCall, task_id_of
from twinsaga_bridges.celery.task_claims import TaskRecord, TaskState
from twinsaga_bridges.celery.task_outcome import (
    RPC_DEADLINE,
    CeleryResultLost,
    Ending,
    Failed,
    Revoked,
    activity_handle,
    report,
)

QUEUED_LOOKS = 10  # a task that does not run is looked for in the result backend every so many looks

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenTask:
    client: Client
    call: CeleryTaskCall
    by: AwaitedBy
    task_id: str
    looks: int = 0
    suspicions: int = 0
    revokes: int = 0
    cancelled: bool = False


class TaskWatch:
    """One asyncio task for each open activity of this process."""

    def __init__(self, calls: CeleryCalls) -> None:
        self._calls = calls
        self._watching: dict[str, asyncio.Task[None]] = {}

    def add(self, task: OpenTask, bound_s: float) -> None:
        if (earlier_attempt := self._watching.get(task.by.key)) is not None:
            earlier_attempt.cancel()
        watching = asyncio.create_task(self._watch(task, bound_s), name=f"watch-{task.task_id}")
        self._watching[task.by.key] = watching
        watching.add_done_callback(lambda done: self._forget(task.by.key, done))

    async def close(self) -> None:
        watching = list(self._watching.values())
        for each in watching:
            each.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    def _forget(self, key: str, done: "asyncio.Task[None]") -> None:
        if self._watching.get(key) is done:
            del self._watching[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("the watch over %s ended: %r", key, error)

    async def _watch(self, task: OpenTask, bound_s: float) -> None:
        end = asyncio.get_running_loop().time() + bound_s
        over = False
        while not over and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(task.by.pulse_s)
            try:
                over = await self._look(task)
            except (RedisError, OperationalError, RPCError, TimeoutError) as error:
                log.warning("cannot look after task %s now: %r", task.task_id, error)

    async def _look(self, task: OpenTask) -> bool:
        """One sign of life for the activity, unless the task gives none; True when there is no more to watch."""
        task.looks += 1
        record = (await self._calls.on_thread(self._calls.claims.look, [task.task_id]))[0]
        if record.state is not None and task_id_of(task.by.key, record.run) != task.task_id:
            return True  # a later attempt runs the task anew
        works = record.state is TaskState.RUNNING and record.alive
        waits = record.state is TaskState.SENT
        task.suspicions = 0 if works or waits else task.suspicions + 1
        # The second suspicion in a row: the first may have met a report that was under way.
        if task.suspicions > 1 or (waits and task.looks % QUEUED_LOOKS == 0):
            ending = await self._calls.stored_ending(task.task_id)
            if ending is None:
                ending = await self._given_up(task, record)
            if ending is not None:
                return await self._mend(task, ending)
        return await self._heartbeat(task, record)

    async def _given_up(self, task: OpenTask, record: TaskRecord) -> Ending | None:
        if record.state in (None, TaskState.SENDING) and not record.alive:
            log.warning("the claim of task %s was lost: sending it again", task.task_id)
            task.task_id, _ = await self._calls.on_thread(self._calls.claims.claim, task.by)
            await self._calls.send(task.call, task.task_id)
        elif record.state is TaskState.CANCELLED:
            return Revoked("revoked")
        elif record.state is TaskState.FINISHED and task.suspicions > QUEUED_LOOKS:
            return Failed(CeleryResultLost("the result backend does not know how the Celery task ended"))
        elif record.state is TaskState.RUNNING and task.cancelled:
            return Revoked("revoked, and its worker was lost")
        elif record.state is TaskState.RUNNING and not record.acks_late:
            return Failed(
                WorkerLostError("the Celery worker died, and its early acknowledgement took the message along")
            )
        return None  # running and acknowledged late: the broker will deliver it again; released: its result will come

    async def _mend(self, task: OpenTask, ending: Ending) -> bool:
        await self._calls.on_thread(self._calls.claims.finish, task.task_id, failed=isinstance(ending, Failed))
        await report(task.client, task.by, ending)
        return True

    async def _heartbeat(self, task: OpenTask, record: TaskRecord) -> bool:
        details = [json.loads(record.progress)] if record.progress else []
        try:
            await activity_handle(task.client, task.by).heartbeat(*details, rpc_timeout=RPC_DEADLINE)
        except AsyncActivityCancelledError as error:
            if error.details is not None and not error.details.cancel_requested:
                return False  # paused or reset by an operator
            task.cancelled = True
            return await self._stop(task)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            if not await _is_pending(task) and record.state is not TaskState.FINISHED:
                await self._stop(task)
            return True  # ended, or waiting for its next attempt, which brings a watch of its own
        return False

    async def _stop(self, task: OpenTask) -> bool:
        """Revoke; a task that has not started never will, whether or not a worker is there to hear of it."""
        never_ran = await self._calls.on_thread(self._calls.claims.cancel, task.task_id)
        if not task.revokes or task.looks % QUEUED_LOOKS == 0:  # a broadcast reaches only the workers that listen
            task.revokes += 1
            await self._calls.revoke(task.task_id, terminate=task.call.terminate)
        if never_ran:
            await report(task.client, task.by, Revoked("revoked"))
        return never_ran


async def _is_pending(task: OpenTask) -> bool:
    handle = task.client.get_workflow_handle(task.by.workflow_id, run_id=task.by.run_id)
    description = await handle.describe(rpc_timeout=RPC_DEADLINE)
    return description.status == WorkflowExecutionStatus.RUNNING and any(
        pending.activity_id == task.by.activity_id for pending in description.raw_description.pending_activities
    )
