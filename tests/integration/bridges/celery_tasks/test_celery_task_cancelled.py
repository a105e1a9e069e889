"""A workflow is cancelled or terminated while it awaits a Celery task, or the task is revoked in Celery."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker, needs_children
from tests.integration.bridges.celery_tasks.sagas import Notes, Saga, attempt_begun, claim_becomes
from tests.support.waiting import eventually
from twinsaga_bridges.celery.task_claims import StartDecision, TaskClaims, TaskState

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
    await claim_becomes(addresses, handle, TaskState.SENT)
    await handle.terminate()
    await claim_becomes(addresses, handle, TaskState.CANCELLED)
    with celery_worker(addresses, folder, queue=queue, concurrency=1):
        assert await saga.result(Wanted(name="estate.add", args=[1, 1], queue=queue)) == 2
    assert notes.runs == []


@needs_children
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


@needs_children
@pytest.mark.usefixtures("estate")
async def test_a_task_that_celery_revokes_is_a_failure(
    addresses: Addresses, saga: Saga, token: str, notes: Notes
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token]))
    [run] = await notes.runs_begun(1)
    celery_client(addresses).control.revoke(run["task_id"], terminate=True)
    assert (await saga.failure(handle)).type == "TaskRevokedError"


@pytest.mark.usefixtures("estate")
async def test_a_queued_task_that_celery_revokes_never_runs_whatever_worker_gets_it(
    addresses: Addresses, saga: Saga, token: str
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    handle = await saga.start(Wanted(name="estate.hold", args=[token], queue=queue))
    await attempt_begun(handle, 1)
    task_id = await sent_task(addresses, queue)
    # Only a worker of another queue hears it. One that gets the task later asks the claim.
    result = celery_client(addresses).AsyncResult(task_id)
    result.revoke()
    await asyncio.to_thread(eventually, lambda: str(result.state) == "REVOKED", "Celery has revoked it")
    claims = TaskClaims.at(f"{addresses.redis}/2")
    assert claims.start(task_id, sequence=0, acks_late=True) is StartDecision.DROP
    assert (await saga.failure(handle)).type == "TaskRevokedError"


async def sent_task(addresses: Addresses, queue: str) -> str:
    """Return the id of the only task in the queue."""

    def look() -> str | None:
        message = addresses.broker_client().lindex(queue, 0)
        return json.loads(message)["headers"]["id"] if message else None

    return await asyncio.to_thread(eventually, look, "the task is in its queue")
