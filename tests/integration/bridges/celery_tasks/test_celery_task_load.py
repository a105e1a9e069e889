"""An activity that awaits a Celery task holds no slot of its worker."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_worker
from tests.integration.bridges.celery_tasks.sagas import Notes, Saga

pytestmark = pytest.mark.long

TASKS = 200
CHILDREN = 40


async def test_200_tasks_of_2_s_pass_through_one_activity_slot(
    addresses: Addresses, folder: Path, saga: Saga, token: str, notes: Notes
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    with celery_worker(addresses, folder, queue=queue, concurrency=CHILDREN):
        wanted = Wanted(name="estate.nap", args=[token, 2.0], queue=queue, silence_s=20, within_s=300)
        results = await asyncio.gather(*[saga.result(wanted) for _ in range(TASKS)])
    assert results == [token] * TASKS
    assert len(notes.runs) == TASKS
    # The activity worker has one slot: if each task held it, only one task would run at a time.
    assert notes.peak > CHILDREN / 2
