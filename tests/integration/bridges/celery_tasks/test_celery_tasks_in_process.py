"""The stand-in for tests behaves as a real Celery worker does: the same tests run on both."""

from collections.abc import AsyncIterator
from functools import cache

import pytest
import pytest_asyncio
from celery import Celery
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask, Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses
from tests.integration.bridges.celery_tasks.ordinary_tasks import add_ordinary_tasks
from tests.integration.bridges.celery_tasks.sagas import ActivityWorker, Saga
from twinsaga_bridges.testing.celery import CeleryTasksInProcess

pytestmark = pytest.mark.usefixtures("estate")


@cache
def in_process_app() -> Celery:
    """An app whose broker and backend do not exist."""
    app = Celery("in-process", broker="redis://127.0.0.1:1", backend="redis://127.0.0.1:1", set_as_current=False)
    add_ordinary_tasks(app)
    return app


@pytest_asyncio.fixture(params=["a Celery worker", "in process"])
async def any_saga(
    request: pytest.FixtureRequest, client: Client, addresses: Addresses, activity_worker: ActivityWorker
) -> AsyncIterator[Saga]:
    if request.param == "a Celery worker":
        async with activity_worker(addresses) as saga:
            yield saga
        return
    queue, plugin = f"in-process-{request.node.name}", CeleryTasksInProcess(in_process_app())
    async with Worker(client, task_queue=queue, workflows=[AwaitsOneTask], plugins=[plugin]):
        yield Saga(client, queue)


async def test_the_stand_in_returns_what_a_worker_returns(any_saga: Saga) -> None:
    assert await any_saga.result(Wanted(name="ordinary.add", args=[1, 2])) == 3
    assert await any_saga.result(Wanted(name="ordinary.pair", args=["a"], kwargs={"right": "b"})) == ["a", "b"]
    assert await any_saga.result(Wanted(name="ordinary.shows_progress")) == "done"


async def test_the_stand_in_fails_as_a_worker_fails(any_saga: Saga) -> None:
    for wanted, kind, message in (
        (Wanted(name="ordinary.raise_key_error"), "KeyError", "no such thing"),
        (Wanted(name="ordinary.add", args=[1]), "TypeError", "missing 1 required positional argument"),
        (Wanted(name="ordinary.unknown"), "NotRegistered", "ordinary.unknown"),
        (Wanted(name="ordinary.large", args=[3_000_000]), "CeleryResultTooLarge", "3000002 bytes"),
    ):
        failure = await any_saga.failure(await any_saga.start(wanted))
        assert failure.type == kind
        assert message in failure.message
        assert failure.non_retryable


async def test_the_stand_in_retries_as_celery_does(any_saga: Saga) -> None:
    assert await any_saga.result(Wanted(name="ordinary.third_time")) == 3
    failure = await any_saga.failure(await any_saga.start(Wanted(name="ordinary.never_right")))
    assert (failure.type, failure.message) == ("ValueError", "wrong again")


async def test_the_stand_in_runs_a_failed_task_again_with_a_retry_policy(any_saga: Saga) -> None:
    failure = await any_saga.failure(await any_saga.start(Wanted(name="ordinary.raise_key_error", attempts=2)))
    assert (failure.type, failure.non_retryable) == ("KeyError", False)
