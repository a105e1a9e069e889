"""What the guide docs/bridges/migrating.md says about Celery's concepts in Temporal itself, without a bridge."""

from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.common import ActivityIDReusePolicy, RetryPolicy
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.worker import Worker

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
