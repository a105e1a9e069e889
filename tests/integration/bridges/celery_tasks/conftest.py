"""One Temporal, one Valkey and one Celery worker for the folder. Tests that kill a worker start their own.

TWINSAGA_TEST_AMQP_URL: a RabbitMQ that is the broker instead of Valkey.
TWINSAGA_TEST_CELERY_POOL: the pool of the Celery workers, `threads` or `solo` instead of `prefork`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker, temporal, valkey
from tests.integration.bridges.celery_tasks.sagas import ActivityWorker, Notes, Saga
from tests.integration.bridges.celery_tasks.shop import Shop, open_shop
from tests.support.ports import free_port
from tests.support.real_servers import given_servers
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from workflows.scheduled_task import RunScheduledTask


@pytest.fixture(scope="package")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    if (servers := given_servers()) is not None:
        servers.forget_keys()
        servers.make_namespace("default")
        yield Addresses(temporal=servers.temporal, redis=servers.redis, broker=f"{servers.redis}/0")
        return
    folder = tmp_path_factory.mktemp("engines")
    with valkey(folder, free_port()) as redis, temporal(folder, free_port()) as target:
        yield Addresses(temporal=target, redis=redis, broker=os.environ.get("TWINSAGA_TEST_AMQP_URL", f"{redis}/0"))


@pytest.fixture(scope="package")
def estate(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with celery_worker(addresses, tmp_path_factory.mktemp("celery"), concurrency=2):
        yield


@pytest.fixture
def token() -> str:
    return uuid4().hex


@pytest.fixture
def notes(addresses: Addresses, token: str) -> Notes:
    return Notes(addresses, token)


@pytest.fixture
async def client(addresses: Addresses) -> Client:
    return await Client.connect(addresses.temporal)


@pytest.fixture
def activity_worker(client: Client) -> ActivityWorker:
    @asynccontextmanager
    async def run(addresses: Addresses, task_queue: str | None = None) -> AsyncIterator[Saga]:
        queue = task_queue or f"workflows-{uuid4().hex[:8]}"
        plugin = CeleryTasksPlugin(celery_client(addresses), TaskClaims.at(f"{addresses.redis}/2"))
        async with Worker(
            client,
            task_queue=queue,
            workflows=[AwaitsOneTask, RunScheduledTask],
            plugins=[plugin],
            max_concurrent_activities=1,
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
