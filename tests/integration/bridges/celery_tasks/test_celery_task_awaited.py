"""A workflow awaits a Celery task: its result, its failure, its progress."""

import asyncio

import pytest
from temporalio.exceptions import ApplicationError

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.engines import celery_client
from tests.integration.bridges.celery_tasks.sagas import Notes, Saga, kept_alive

pytestmark = [
    pytest.mark.usefixtures("estate"),
    # Celery's Redis backend calls what redis-py 8 deprecates.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


async def failure(saga: Saga, wanted: Wanted) -> ApplicationError:
    return await saga.failure(await saga.start(wanted))


async def test_the_result_of_the_task_is_the_result_of_the_await(saga: Saga) -> None:
    assert await saga.result(Wanted(name="estate.add", args=[2, 3])) == 5


async def test_the_final_failure_arrives_with_its_python_type_and_message(saga: Saga, token: str) -> None:
    error = await failure(saga, Wanted(name="estate.raise_key_error", args=[token]))
    assert error.type == "KeyError"
    assert error.message == "'no such thing'"
    assert "raise_key_error" in error.details[0]["traceback"]


async def test_a_final_failure_is_not_retried_by_temporal(saga: Saga, token: str, notes: Notes) -> None:
    error = await failure(saga, Wanted(name="estate.raise_key_error", args=[token]))
    assert error.non_retryable
    assert len(notes.runs) == 1


async def test_a_failure_is_retried_by_temporal_with_a_retry_policy(saga: Saga, token: str, notes: Notes) -> None:
    wanted = Wanted(name="estate.second_run", args=[token], attempts=3)
    assert await saga.result(wanted) == "ran twice"
    assert len(notes.runs) == 2


async def test_the_retries_of_celery_stay_with_celery(saga: Saga, token: str, notes: Notes) -> None:
    handle = await saga.start(Wanted(name="estate.third_time", args=[token]))
    assert await handle.result() == 3
    assert len(notes.runs) == 3
    history = await handle.fetch_history()
    scheduled = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    assert len(scheduled) == 1


async def test_the_countdown_of_a_celery_retry_does_not_count_as_a_lost_task(
    saga: Saga, token: str, notes: Notes
) -> None:
    assert await saga.result(Wanted(name="estate.later", args=[token], silence_s=1)) == "later"
    assert len(notes.runs) == 2


async def test_only_the_last_failure_of_a_task_that_celery_retries_arrives(
    saga: Saga, token: str, notes: Notes
) -> None:
    error = await failure(saga, Wanted(name="estate.never_right", args=[token]))
    assert (error.type, error.message) == ("ValueError", "wrong again")
    assert len(notes.runs) == 2


async def test_a_task_that_no_worker_knows_is_a_failure(saga: Saga) -> None:
    assert (await failure(saga, Wanted(name="estate.no_such_task"))).type == "NotRegistered"


async def test_a_rejected_task_is_a_failure(saga: Saga) -> None:
    assert (await failure(saga, Wanted(name="estate.reject"))).type == "Reject"


async def test_a_task_over_its_hard_time_limit_is_a_failure(saga: Saga, token: str) -> None:
    assert (await failure(saga, Wanted(name="estate.too_slow", args=[token]))).type == "TimeLimitExceeded"


async def test_a_result_that_is_too_large_is_a_clear_error(saga: Saga) -> None:
    error = await failure(saga, Wanted(name="estate.large", args=[3 * 1024 * 1024]))
    assert error.type == "CeleryResultTooLarge"
    assert "store it elsewhere" in error.message


async def test_progress_shows_as_heartbeat_details(saga: Saga, token: str, notes: Notes) -> None:
    handle = await saga.start(Wanted(name="estate.report_progress", args=[token]))
    details = await heartbeat_details(saga, handle.id)
    assert details == [{"state": "PROGRESS", "meta": {"percent": 40}}]
    notes.open_gate()
    assert await handle.result() == "done"


async def heartbeat_details(saga: Saga, workflow_id: str) -> list[object]:
    handle = saga.client.get_workflow_handle(workflow_id)
    async with asyncio.timeout(20):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].HasField("heartbeat_details"):
                return list(await saga.client.data_converter.decode(pending[0].heartbeat_details.payloads))
            await asyncio.sleep(0.05)


async def test_a_task_whose_result_another_program_stores_is_awaited(saga: Saga, token: str, notes: Notes) -> None:
    handle = await saga.start(Wanted(name="estate.ends_elsewhere", args=[token], silence_s=1))
    [run] = await notes.runs_begun(1)
    await kept_alive(handle, for_s=2)
    celery_client(notes.addresses).backend.mark_as_done(run["task_id"], "stored later")
    assert await handle.result() == "stored later"
