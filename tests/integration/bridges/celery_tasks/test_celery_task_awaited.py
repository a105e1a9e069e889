"""A workflow awaits a Celery task: its result, its failure, its progress."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from estate.schedules import make_schedule
from tests.integration.bridges.celery_tasks.callers import AwaitsOneTask, Wanted
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client, celery_worker, needs_children
from tests.integration.bridges.celery_tasks.sagas import Notes, Saga, kept_alive
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims

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


@needs_children
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


async def test_a_task_in_a_queue_that_no_worker_reads_says_so_in_the_temporal_ui(
    saga: Saga, caplog: pytest.LogCaptureFixture
) -> None:
    handle = await saga.start(Wanted(name="estate.add", args=[2, 3], queue="unread", silence_s=1))
    [details] = await heartbeat_details(saga, handle.id)
    assert isinstance(details, dict)
    assert details["state"] == "QUEUED"
    assert "read from the queue unread, only from" in details["meta"]
    assert "give run_celery_task() another queue" in caplog.text
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_claims_in_two_places_are_named_in_the_log_of_the_worker(
    addresses: Addresses, client: Client, folder: Path
) -> None:
    queue = f"queue-{uuid4().hex[:8]}"
    plugin = CeleryTasksPlugin(celery_client(addresses), TaskClaims.at(f"{addresses.redis}/5"))
    with celery_worker(addresses, folder, queue=queue, concurrency=1) as worker:
        async with Worker(client, task_queue=queue, workflows=[AwaitsOneTask], plugins=[plugin]):
            wanted = Wanted(name="estate.add", args=[2, 3], queue=queue, silence_s=1)
            assert await Saga(client, queue).result(wanted) == 5
        log = worker.log.read_text()
    assert re.search(
        r"has no claim: its sender keeps them at \S+/5 celery-task:, this worker at \S+/2 celery-task:", log
    )


async def test_a_schedule_runs_a_celery_task_in_the_place_of_beat(
    saga: Saga, client: Client, token: str, notes: Notes
) -> None:
    async def schedule() -> None:
        await make_schedule(client, token, "estate.note_value", timedelta(seconds=1), saga.task_queue, "tick", token)

    handle = client.get_schedule_handle(token)
    await schedule()
    try:
        runs = await notes.runs_begun(2)
        assert [run["value"] for run in runs[:2]] == ["tick", "tick"]
        await handle.pause(note="an operator pauses it")
        await schedule()
        assert (await handle.describe()).schedule.state.paused
    finally:
        await handle.delete()
