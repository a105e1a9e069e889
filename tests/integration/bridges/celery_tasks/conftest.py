"""One Temporal, one Valkey and one Celery worker for all tests here; tests that kill a worker start their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from tests.given_servers import given_servers
from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask, Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker, temporal, valkey
from tests.integration.bridges.celery_tasks.shop import Shop, open_shop
from tests.stack import eventually, free_port
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims


@pytest.fixture(scope="session")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    if (servers := given_servers()) is not None:
        servers.forget_keys()
        servers.make_namespace("default")
        yield Addresses(temporal=servers.temporal, redis=servers.redis, broker=f"{servers.redis}/0")
        return
    folder = tmp_path_factory.mktemp("engines")
    with valkey(folder, free_port()) as redis, temporal(folder, free_port()) as target:
        yield Addresses(temporal=target, redis=redis, broker=f"{redis}/0")


@pytest.fixture(scope="session")
def estate(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with celery_worker(addresses, tmp_path_factory.mktemp("celery"), concurrency=2):
        yield


@pytest.fixture
def token() -> str:
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Notes:
    """What the tasks of one test recorded, and the gate that they wait at."""

    addresses: Addresses
    token: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.addresses.notes().lrange(f"ran:{self.token}", 0, -1)]

    def await_runs(self, count: int, deadline_s: float = 30.0) -> list[dict[str, Any]]:
        def enough() -> list[dict[str, Any]] | None:
            runs = self.runs
            return runs if len(runs) >= count else None

        return eventually(enough, f"the task of {self.token} has started {count} times", deadline_s)

    async def runs_begun(self, count: int) -> list[dict[str, Any]]:
        """Wait on a thread: the event loop runs the test's Temporal worker."""
        return await asyncio.to_thread(self.await_runs, count)

    @property
    def peak(self) -> int:
        """Return the largest number of concurrent runs."""
        return max(int(run["at_once"]) for run in self.runs)

    def open_gate(self) -> None:
        self.addresses.notes().set(f"gate:{self.token}", 1, ex=600)


@pytest.fixture
def notes(addresses: Addresses, token: str) -> Notes:
    return Notes(addresses, token)


@pytest.fixture
async def client(addresses: Addresses) -> Client:
    return await Client.connect(addresses.temporal)


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
    """Wait until the workflow's activity has started this attempt and, if `cancelled`, has a cancel request."""
    wanted = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED if cancelled else None
    async with asyncio.timeout(30):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].attempt >= attempt and wanted in (None, pending[0].state):
                return
            await asyncio.sleep(0.05)


async def kept_alive(handle: WorkflowHandle[Any, Any], *, attempt: int = 1, for_s: float = 0.0) -> None:
    """Wait until this attempt of the activity has had a heartbeat at least `for_s` seconds after its start."""
    async with asyncio.timeout(30):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].attempt >= attempt and pending[0].HasField("last_heartbeat_time"):
                begun = pending[0].last_started_time.ToDatetime()
                if pending[0].last_heartbeat_time.ToDatetime() > begun + timedelta(seconds=for_s):
                    return
            await asyncio.sleep(0.05)


async def activity_closed(addresses: Addresses, handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until the bridge has cancelled the claim of the workflow's task."""
    claims: Any = Redis.from_url(f"{addresses.redis}/2")

    def closed() -> bool:
        records = [claims.hgetall(key) for key in claims.keys("celery-task:*") if not key.endswith(b":alive")]
        ours = [record for record in records if record[b"workflow_id"].decode() == handle.id]
        return bool(ours) and ours[0][b"state"] == b"cancelled"

    await asyncio.to_thread(eventually, closed, "the task's claim is cancelled")


@pytest.fixture
def activity_worker(client: Client) -> ActivityWorker:
    @asynccontextmanager
    async def run(addresses: Addresses, task_queue: str | None = None) -> AsyncIterator[Saga]:
        queue = task_queue or f"workflows-{uuid4().hex[:8]}"
        plugin = CeleryTasksPlugin(celery_client(addresses), TaskClaims.at(f"{addresses.redis}/2"))
        async with Worker(
            client, task_queue=queue, workflows=[AwaitsOneTask], plugins=[plugin], max_concurrent_activities=1
        ):
            yield Saga(client, queue)

    return run


@pytest.fixture
async def saga(activity_worker: ActivityWorker, addresses: Addresses) -> AsyncIterator[Saga]:
    async with activity_worker(addresses) as saga:
        yield saga


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def shop(addresses: Addresses) -> AsyncIterator[Shop]:
    async with open_shop(addresses) as shop:
        yield shop
