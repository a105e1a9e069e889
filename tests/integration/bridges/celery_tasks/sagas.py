"""Workflows that await Celery tasks, and what the tasks of a test noted."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError

from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask, Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses
from tests.support.waiting import eventually
from twinsaga_bridges.celery.task_claims import TaskState


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes that the tasks of one test wrote to Redis, and the gate that they wait at."""

    addresses: Addresses
    token: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.addresses.notes().lrange(f"ran:{self.token}", 0, -1)]

    def await_runs(self, count: int, deadline_s: float = 60.0) -> list[dict[str, Any]]:
        def enough() -> list[dict[str, Any]] | None:
            runs = self.runs
            return runs if len(runs) >= count else None

        return eventually(enough, f"the task of {self.token} has started {count} times", deadline_s)

    async def runs_begun(self, count: int) -> list[dict[str, Any]]:
        """Like `await_runs`, without blocking the event loop of the test's Temporal worker."""
        return await asyncio.to_thread(self.await_runs, count)

    @property
    def peak(self) -> int:
        """Maximum number of concurrent runs."""
        return max(int(run["at_once"]) for run in self.runs)

    def open_gate(self) -> None:
        self.addresses.notes().set(f"gate:{self.token}", 1, ex=600)


@dataclass(frozen=True, slots=True)
class Saga:
    client: Client
    task_queue: str

    async def failure(self, handle: WorkflowHandle[AwaitsOneTask, Any]) -> ApplicationError:
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ActivityError)
        cause = failed.value.cause.cause
        assert isinstance(cause, ApplicationError)
        return cause

    async def start(self, wanted: Wanted) -> WorkflowHandle[AwaitsOneTask, Any]:
        return await self.client.start_workflow(
            AwaitsOneTask.run, wanted, id=f"awaits/{uuid4().hex}", task_queue=self.task_queue
        )

    async def result(self, wanted: Wanted) -> object:
        result: object = await (await self.start(wanted)).result()
        return result


ActivityWorker = Callable[..., AbstractAsyncContextManager[Saga]]


async def attempt_begun(handle: WorkflowHandle[Any, Any], attempt: int, *, cancelled: bool = False) -> None:
    """Wait for the `attempt`th attempt of the activity and, if `cancelled`, for the request to cancel it."""
    wanted = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED if cancelled else None
    async with asyncio.timeout(60):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].attempt >= attempt and wanted in (None, pending[0].state):
                return
            await asyncio.sleep(0.05)


async def kept_alive(handle: WorkflowHandle[Any, Any], *, attempt: int = 1, for_s: float = 0.0) -> None:
    """Wait for a heartbeat of the `attempt`th attempt, at least `for_s` seconds after its start."""
    async with asyncio.timeout(60):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].attempt >= attempt and pending[0].HasField("last_heartbeat_time"):
                begun = pending[0].last_started_time.ToDatetime()
                if pending[0].last_heartbeat_time.ToDatetime() > begun + timedelta(seconds=for_s):
                    return
            await asyncio.sleep(0.05)


async def claim_becomes(addresses: Addresses, handle: WorkflowHandle[Any, Any], state: TaskState) -> None:
    """Wait until the claim of the workflow's task has that state."""
    claims: Any = Redis.from_url(f"{addresses.redis}/2")

    def reached() -> bool:
        records = [claims.hgetall(key) for key in claims.keys("celery-task:*") if not key.endswith(b":alive")]
        ours = [record for record in records if record[b"workflow_id"].decode() == handle.id]
        return bool(ours) and ours[0][b"state"].decode() == state

    await asyncio.to_thread(eventually, reached, f"the task's claim is {state}")
