"""Heartbeats an activity while its Celery task waits or runs, and recovers outcomes that the task could not report."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.exceptions import WorkerLostError
from kombu.exceptions import OperationalError
from redis import RedisError
from temporalio.client import AsyncActivityCancelledError, Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.celery.blocking_calls import BlockingCalls
from twinsaga_bridges.celery.task_call import CeleryTaskCall
from twinsaga_bridges.celery.task_claims import (
    CLAIMS_HEADER,
    TaskClaims,
    TaskRecord,
    TaskState,
    WaitingActivity,
    task_id_of,
)
from twinsaga_bridges.celery.task_outcome import (
    RPC_DEADLINE,
    Failed,
    Outcome,
    Revoked,
    activity_handle,
    report,
    result_lost,
    stored_outcome,
)
from twinsaga_bridges.celery.waiting_callers import pass_on_progress

BACKEND_EVERY_CHECKS = 10  # a queued task is looked up in the result backend at every tenth check

log = logging.getLogger(__name__)


class CeleryCalls(BlockingCalls):
    """The calls to Celery and to the claims that the activity and its watch make."""

    def __init__(self, app: Celery, claims: TaskClaims) -> None:
        super().__init__("celery-calls")
        self.app = app
        self.claims = claims
        self._unread_queues: set[str] = set()

    async def send(self, call: CeleryTaskCall, task_id: str) -> None:
        await self.on_thread(
            self.app.send_task,
            call.name,
            args=list(call.args),
            kwargs=dict(call.kwargs),
            task_id=task_id,
            queue=call.queue,
            ignore_result=False,  # a lost completion is recovered from the stored result
            add_to_parent=False,
            retry=False,  # Temporal retries
            headers={CLAIMS_HEADER: self.claims.place},
        )
        # After the send: if the process dies in between, the claim says SENDING and the task is sent again. The copy
        # is dropped when it starts, whereas a task that was recorded but never sent would be lost.
        await self.on_thread(self.claims.sent, task_id)
        await self.on_thread(self._notice_unread_queue, call, task_id)

    def _notice_unread_queue(self, call: CeleryTaskCall, task_id: str) -> None:
        # The queue that this process's app sends to by default need not be the one that the task's worker reads.
        queue, read = queue_of(self.app, call), self.claims.read_queues()
        if queue is None or not read or queue in read:
            return
        why = f"no Celery worker with install() has read from the queue {queue}, only from {', '.join(sorted(read))}"
        self.claims.store_progress(task_id, json.dumps({"state": "QUEUED", "meta": why}))
        if queue not in self._unread_queues:
            self._unread_queues.add(queue)
            log.warning("%s waits: %s; give run_celery_task() another queue, or route the task", call.name, why)


def queue_of(app: Celery, call: CeleryTaskCall) -> str | None:
    """Return the queue that the app sends the task to; None if it is routed by an exchange instead."""
    untyped: Any = app
    routed = untyped.amqp.router.route({"queue": call.queue} if call.queue else {}, call.name).get("queue")
    return None if routed is None else str(getattr(routed, "name", routed))


@dataclass(slots=True)
class OpenTask:
    client: Client
    call: CeleryTaskCall
    activity: WaitingActivity
    task_id: str
    checks: int = 0
    suspicions: int = 0
    revokes: int = 0
    cancelled: bool = False
    passed_on: bytes | None = None


class TaskWatch:
    """One asyncio task for each open activity of this process."""

    def __init__(self, calls: CeleryCalls) -> None:
        self._calls = calls
        self._watching: dict[str, asyncio.Task[None]] = {}

    def add(self, task: OpenTask, deadline_s: float) -> None:
        if (earlier_attempt := self._watching.get(task.activity.key)) is not None:
            earlier_attempt.cancel()
        watching = asyncio.create_task(self._watch(task, deadline_s), name=f"watch-{task.task_id}")
        self._watching[task.activity.key] = watching
        watching.add_done_callback(lambda done: self._forget(task.activity.key, done))

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

    async def _watch(self, task: OpenTask, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            await asyncio.sleep(task.activity.check_interval_s)
            try:
                if await self._check(task):
                    return
            except (RedisError, OperationalError, RPCError, TimeoutError) as error:
                log.warning("cannot check task %s now: %r", task.task_id, error)

    async def _check(self, task: OpenTask) -> bool:
        """Heartbeat the activity if its task is queued or alive. Return True when the watch may end."""
        task.checks += 1
        record = await self._calls.on_thread(self._calls.claims.record, task.task_id)
        if record.state is not None and task_id_of(task.activity.key, record.run) != task.task_id:
            return True  # a later attempt of the activity has a task of its own
        running = record.state is TaskState.RUNNING and record.alive
        queued = record.state is TaskState.SENT
        task.suspicions = 0 if running or queued else task.suspicions + 1
        # Only the second suspicion in a row counts: at the first one, the task's own report may be under way.
        if task.suspicions > 1 or (queued and task.checks % BACKEND_EVERY_CHECKS == 0):
            outcome = await self._calls.on_thread(stored_outcome, self._calls.app, task.task_id)
            if outcome is None:
                outcome = await self._presumed_outcome(task, record)
            if outcome is not None:
                return await self._complete(task, outcome)
        return await self._heartbeat(task, record)

    async def _presumed_outcome(self, task: OpenTask, record: TaskRecord) -> Outcome | None:
        """Decide on a task without a sign of life and without a stored result. None: wait longer."""
        if record.state in (None, TaskState.SENDING) and not record.alive:
            log.warning("the claim of task %s was lost: sending the task again", task.task_id)
            task.task_id, _ = await self._calls.on_thread(self._calls.claims.claim, task.activity)
            await self._calls.send(task.call, task.task_id)
        elif record.state is TaskState.CANCELLED:
            return Revoked("revoked")
        elif record.state is TaskState.FINISHED and task.suspicions > BACKEND_EVERY_CHECKS:
            return result_lost()
        elif record.state is TaskState.RUNNING and task.cancelled:
            return Revoked("revoked, and its worker was lost")
        elif record.state is TaskState.RUNNING and not record.acks_late:
            return Failed(WorkerLostError("the Celery worker died after it had acknowledged the task's message"))
        # RUNNING and acknowledged late: the broker will deliver the message again. RELEASED: a result will be stored.
        return None

    async def _complete(self, task: OpenTask, outcome: Outcome) -> bool:
        await self._calls.on_thread(self._calls.claims.finish, task.task_id, failed=isinstance(outcome, Failed))
        await report(task.client, task.activity, outcome)
        return True

    async def _heartbeat(self, task: OpenTask, record: TaskRecord) -> bool:
        details = [json.loads(record.progress)] if record.progress else []
        if record.progress and record.progress != task.passed_on:
            shown = {"task": task.call.name, **details[0]}
            if await self._calls.on_thread(pass_on_progress, self._calls.app, task.activity.workflow_id, shown):
                task.passed_on = record.progress
        try:
            await activity_handle(task.client, task.activity).heartbeat(*details, rpc_timeout=RPC_DEADLINE)
        except AsyncActivityCancelledError as error:
            if error.details is not None and not error.details.cancel_requested:
                return False  # an operator paused or reset the activity
            task.cancelled = True
            return await self._stop(task)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            if not await _is_pending(task) and record.state is not TaskState.FINISHED:
                await self._stop(task)
            return True  # the activity has ended, or its next attempt starts a watch of its own
        return False

    async def _stop(self, task: OpenTask) -> bool:
        """Revoke the task. Return True if it has not started; it never will, even if no worker got the revoke."""
        never_ran = await self._calls.on_thread(self._calls.claims.cancel, task.task_id)
        # Repeated, because the broadcast reaches only the workers that are connected at that moment.
        if not task.revokes or task.checks % BACKEND_EVERY_CHECKS == 0:
            task.revokes += 1
            revoke = self._calls.app.control.revoke
            await self._calls.on_thread(revoke, task.task_id, terminate=task.call.terminate)
        if never_ran:
            await report(task.client, task.activity, Revoked("revoked"))
        return never_ran


async def _is_pending(task: OpenTask) -> bool:
    handle = task.client.get_workflow_handle(task.activity.workflow_id, run_id=task.activity.run_id)
    description = await handle.describe(rpc_timeout=RPC_DEADLINE)
    return description.status == WorkflowExecutionStatus.RUNNING and any(
        pending.activity_id == task.activity.activity_id for pending in description.raw_description.pending_activities
    )
