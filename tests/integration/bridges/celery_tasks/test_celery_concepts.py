"""What the guide docs/bridges/migrating.md says about Celery's concepts, in Temporal itself and while you bridge."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.exceptions import TaskRevokedError
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import ActivityIDReusePolicy, RetryPolicy
from temporalio.exceptions import ActivityAlreadyStartedError, ActivityError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.sagas import Saga
from tests.integration.bridges.celery_tasks.shop import Shop

# Celery's Redis backend calls what redis-py 8 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

COUNTDOWN = timedelta(seconds=1)


class Compressor:
    """What was the body of a Celery task. Its first attempt fails."""

    def __init__(self) -> None:
        self.attempts: list[int] = []

    @activity.defn
    async def compress(self, video_id: str) -> str:
        self.attempts.append(activity.info().attempt)
        if self.attempts == [1]:
            raise ConnectionError("the storage is away")
        return f"{video_id}.webm"


async def test_a_task_that_you_can_cut_over_becomes_a_standalone_activity(client: Client, token: str) -> None:
    compressor = Compressor()
    async with Worker(client, task_queue=token, activities=[compressor.compress]):
        handle = await client.start_activity(
            compressor.compress,
            "v-1",
            id=token,
            task_queue=token,
            start_to_close_timeout=timedelta(seconds=10),
            start_delay=COUNTDOWN,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        assert await handle.result() == "v-1.webm"
        with pytest.raises(ActivityAlreadyStartedError):
            await client.execute_activity(
                compressor.compress,
                "v-1",
                id=token,
                task_queue=token,
                start_to_close_timeout=timedelta(seconds=10),
                id_reuse_policy=ActivityIDReusePolicy.REJECT_DUPLICATE,
            )
    assert compressor.attempts == [1, 2]


@pytest.mark.usefixtures("estate")
async def test_a_countdown_delays_the_start_of_the_workflow(shop: Shop) -> None:
    sent = datetime.now(UTC)
    arguments = {"queue": shop.queue}
    result = shop.app.send_task("estate.double", (4,), arguments, countdown=COUNTDOWN.total_seconds())
    assert await shop.got(result) == 8
    started = (await shop.client.get_workflow_handle(f"celery-task/{result.id}").describe()).start_time
    assert started - sent >= COUNTDOWN


@pytest.mark.usefixtures("estate")
async def test_a_task_that_has_expired_starts_no_workflow_and_its_caller_hears_of_it(shop: Shop) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    result = shop.app.send_task("estate.double", (4,), {"queue": shop.queue}, expires=long_ago)
    with pytest.raises(TaskRevokedError):
        await shop.got(result)
    with pytest.raises(RPCError) as unknown:
        await shop.client.get_workflow_handle(f"celery-task/{result.id}").describe()
    assert unknown.value.status is RPCStatusCode.NOT_FOUND


async def test_the_wait_for_a_task_that_no_worker_takes_ends_after_the_time_that_it_was_given(saga: Saga) -> None:
    handle = await saga.start(Wanted(name="estate.add", args=[1, 2], queue="no-worker-reads-this", within_s=2.0))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, TemporalTimeoutError)
