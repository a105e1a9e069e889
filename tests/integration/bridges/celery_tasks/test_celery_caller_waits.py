"""A workflow that answers a Celery task holds no Celery worker, and survives outages of the servers around it."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from celery.exceptions import TaskRevokedError
from temporalio.service import RPCError, RPCStatusCode

from tests.integration.bridges.celery_tasks.answering import Doubles
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker, temporal, valkey
from tests.integration.bridges.celery_tasks.sagas import attempt_begun
from tests.integration.bridges.celery_tasks.shop import open_shop
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

WAITING = 100


async def test_100_waiting_workflows_leave_the_only_celery_process_free(addresses: Addresses, folder: Path) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    async with open_shop(addresses) as shop:
        with celery_worker(addresses, folder, queue=queue, concurrency=1):
            wanted = {"queue": shop.queue, "how": "wait"}
            results = [shop.app.send_task("estate.double", (n,), wanted, queue=queue) for n in range(WAITING)]
            # Queued after them, so done when all have been started.
            assert await shop.got(shop.app.send_task("estate.add", (1, 1), queue=queue)) == 2
            assert not any(result.ready() for result in results)
            for result in results:
                await shop.client.get_workflow_handle(f"celery-task/{result.id}").signal(Doubles.go)
            assert [await shop.got(result) for result in results] == [2 * n for n in range(WAITING)]


async def test_a_task_starts_its_workflow_later_when_temporal_is_away(addresses: Addresses, folder: Path) -> None:
    port, queue = free_port(), f"queue-{uuid4().hex[:8]}"
    own = Addresses(temporal=f"127.0.0.1:{port}", redis=addresses.redis, broker=addresses.broker)
    with celery_worker(own, folder, queue=queue, concurrency=1):
        # The workflow's worker starts together with Temporal; its task queue is chosen before.
        result = celery_client(addresses).send_task("estate.double", (4,), {"queue": queue}, queue=queue)
        await asyncio.to_thread(eventually, lambda: result.state == "RETRY", "Celery will try again")
        with temporal(folder, port):
            async with open_shop(own, queue) as shop:
                assert await shop.got(result) == 8


async def test_a_result_backend_that_is_away_gets_the_result_later(addresses: Addresses, folder: Path) -> None:
    port = free_port()
    own = Addresses(
        temporal=addresses.temporal, redis=f"redis://127.0.0.1:{port}", broker=f"redis://127.0.0.1:{port}/0"
    )
    with valkey(folder, port, durable=True):
        async with open_shop(own) as shop:
            with celery_worker(own, folder, concurrency=1):
                result = shop.double(4, "wait")
                await shop.until(result, "PROGRESS")
    async with open_shop(own, shop.queue) as shop:
        workflow = shop.client.get_workflow_handle(f"celery-task/{result.id}")
        await workflow.signal(Doubles.go)
        await attempt_begun(workflow, 2)
        with valkey(folder, port, durable=True):
            await workflow.result()
            assert shop.app.AsyncResult(result.id).get(timeout=10) == 8


@pytest.mark.parametrize(
    "pool", ["prefork", *(pytest.param(each, marks=pytest.mark.long) for each in ("threads", "solo"))]
)
async def test_killing_every_celery_worker_does_not_affect_a_waiting_task(
    addresses: Addresses, folder: Path, pool: str
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    async with open_shop(addresses) as shop:
        with celery_worker(addresses, folder, "--pool", pool, queue=queue, concurrency=1) as worker:
            wanted = {"queue": shop.queue, "how": "wait"}
            result = shop.app.send_task("estate.double", (4,), wanted, queue=queue)
            await shop.until(result, "PROGRESS")
            worker.kill_all()
        await shop.client.get_workflow_handle(f"celery-task/{result.id}").signal(Doubles.go)
        assert await shop.got(result) == 8


async def test_a_task_that_is_revoked_in_its_countdown_never_runs_whatever_worker_gets_it(
    addresses: Addresses, folder: Path, token: str
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    async with open_shop(addresses) as shop:
        how = {"queue": shop.queue}
        with celery_worker(addresses, folder, queue=queue, concurrency=1) as worker:
            result = shop.app.send_task("estate.double", (4,), how, queue=queue, task_id=token, countdown=3600)
            result.revoke()
            await shop.until(result, "REVOKED")
            worker.kill_all()
        # The broker delivers it again, to a worker that did not hear the command.
        shop.app.send_task("estate.double", (4,), how, queue=queue, task_id=token)
        with celery_worker(addresses, folder, queue=queue, concurrency=1):
            assert await shop.got(shop.app.send_task("estate.add", (1, 1), queue=queue)) == 2
        with pytest.raises(RPCError) as unknown:
            await shop.client.get_workflow_handle(f"celery-task/{token}").describe()
        assert unknown.value.status is RPCStatusCode.NOT_FOUND
        with pytest.raises(TaskRevokedError):
            await shop.got(result)
