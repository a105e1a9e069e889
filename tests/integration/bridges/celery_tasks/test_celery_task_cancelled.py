"""A workflow is cancelled or terminated while it awaits a Celery task, or the task is revoked in Celery."""

from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker
from tests.integration.bridges.celery_tasks.sagas import Notes, Saga, activity_closed, attempt_begun

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


async def test_a_task_that_waits_in_the_queue_is_cancelled_at_once_and_never_runs(
    addresses: Addresses, folder: Path, saga: Saga, token: str, notes: Notes
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    handle = await saga.start(Wanted(name="estate.nap", args=[token, 0], queue=queue))
    await attempt_begun(handle, 1)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)
    with celery_worker(addresses, folder, queue=queue, concurrency=1):
        # Queued after it, so done after it.
        assert await saga.result(Wanted(name="estate.add", args=[1, 1], queue=queue)) == 2
    assert notes.runs == []


async def test_a_task_is_not_run_for_a_workflow_that_was_terminated(
    addresses: Addresses, folder: Path, saga: Saga, token: str, notes: Notes
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    handle = await saga.start(Wanted(name="estate.nap", args=[token, 0], queue=queue))
    await attempt_begun(handle, 1)
    await handle.terminate()
    await activity_closed(addresses, handle)
    with celery_worker(addresses, folder, queue=queue, concurrency=1):
        assert await saga.result(Wanted(name="estate.add", args=[1, 1], queue=queue)) == 2
    assert notes.runs == []


@pytest.mark.usefixtures("estate")
async def test_a_running_task_is_killed_with_terminate(saga: Saga, token: str, notes: Notes) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token], terminate=True))
    await notes.runs_begun(1)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as ended:
        await handle.result()
    assert isinstance(ended.value.cause, CancelledError)


@pytest.mark.usefixtures("estate")
async def test_a_running_task_may_finish_without_terminate(saga: Saga, token: str, notes: Notes) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token]))
    await notes.runs_begun(1)
    await handle.cancel()
    await attempt_begun(handle, 1, cancelled=True)
    notes.open_gate()
    assert await handle.result() == "held"


@pytest.mark.usefixtures("estate")
async def test_a_task_that_celery_revokes_is_a_failure(
    addresses: Addresses, saga: Saga, token: str, notes: Notes
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token]))
    [run] = await notes.runs_begun(1)
    celery_client(addresses).control.revoke(run["task_id"], terminate=True)
    assert (await saga.failure(handle)).type == "TaskRevokedError"
