"""A process dies while a workflow awaits a Celery task: the task has one effect and the workflow gets its outcome."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.engines import (
    DIE_IN_SUCCESS,
    POOL,
    Addresses,
    Engine,
    celery_worker,
    needs_children,
    running,
    valkey,
)
from tests.integration.bridges.celery_tasks.sagas import (
    ActivityWorker,
    Notes,
    Saga,
    attempt_begun,
    claim_becomes,
    kept_alive,
)
from tests.support.ports import free_port
from tests.support.waiting import eventually
from twinsaga_bridges.celery.task_claims import TaskState

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]

VISIBILITY_S = 1
RECEIVED_AND_SUCCEEDED = ("received", "succeeded")  # the lines that a worker logs for each task


@dataclass(frozen=True, slots=True)
class Place:
    """A queue of Celery and a task queue of Temporal with the same name, for one test."""

    addresses: Addresses
    folder: Path
    queue: str
    pool: str

    @property
    def enqueued(self) -> int:
        return self.addresses.enqueued(self.queue)

    async def until_it_will_be_redelivered(self) -> None:
        """Wait for VISIBILITY_S: a worker redelivers unacknowledged messages when it starts, and then seldom."""
        if not self.addresses.on_redis:
            return  # RabbitMQ notices the end of a worker's connection
        broker = self.addresses.broker_client()
        due = lambda: broker.zcount("unacked_index", time.time() - VISIBILITY_S, "+inf") == 0  # noqa: E731 - as a name
        await asyncio.to_thread(eventually, due, "the message may be delivered again")

    def celery_worker(self) -> AbstractContextManager[Engine]:
        return celery_worker(self.addresses, self.folder, "--pool", self.pool, queue=self.queue, concurrency=1)

    def activity_worker(self, *how: str) -> AbstractContextManager[Engine]:
        command = [sys.executable, "-m", "tests.integration.bridges.celery_tasks.activity_worker", self.queue, *how]
        return running(command, self.folder / f"activities-{uuid4().hex[:8]}.log", self.addresses.environment)


@pytest.fixture
def place(request: pytest.FixtureRequest, addresses: Addresses, folder: Path) -> Place:
    """Its pool is the parameter of the test, if it has one."""
    return Place(addresses, folder, f"queue-{uuid4().hex[:8]}", getattr(request, "param", POOL))


in_every_pool = pytest.mark.parametrize("place", ["prefork", "threads", "solo"], indirect=True)


@pytest.fixture
def worker(place: Place) -> Iterator[Engine]:
    with place.celery_worker() as worker:
        yield worker


@pytest.fixture
def soon_redelivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESTATE_VISIBILITY_S", str(VISIBILITY_S))


async def kill_child(notes: Notes) -> None:
    [run] = await notes.runs_begun(1)
    os.kill(run["pid"], signal.SIGKILL)


@needs_children
@pytest.mark.usefixtures("worker")
async def test_a_killed_child_is_a_failure_when_its_message_was_acknowledged_early(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token], queue=place.queue))
    await kill_child(notes)
    assert (await saga.failure(handle)).type == "WorkerLostError"
    assert len(notes.runs) == 1


@needs_children
@pytest.mark.usefixtures("worker")
async def test_a_killed_child_is_replaced_when_its_message_is_acknowledged_late(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=place.queue))
    await kill_child(notes)
    await notes.runs_begun(2)
    notes.open_gate()
    assert await handle.result() == "held"
    assert len(notes.runs) == 2


@needs_children
@pytest.mark.usefixtures("worker")
async def test_a_child_killed_inside_its_success_signal_has_its_result_recovered(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    notes.open_gate()
    assert (
        await saga.result(Wanted(name="estate.hold", args=[token, DIE_IN_SUCCESS], queue=place.queue)) == DIE_IN_SUCCESS
    )
    assert len(notes.runs) == 1


@in_every_pool
async def test_a_killed_celery_worker_is_detected_by_its_missing_signs_of_life(
    saga: Saga, token: str, notes: Notes, place: Place, worker: Engine
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token], queue=place.queue))
    await notes.runs_begun(1)
    worker.kill_all()
    assert (await saga.failure(handle)).type == "WorkerLostError"


@in_every_pool
@pytest.mark.usefixtures("soon_redelivered")
async def test_the_task_of_a_killed_celery_worker_is_delivered_to_the_next(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    with place.celery_worker() as first:
        handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=place.queue))
        await notes.runs_begun(1)
        first.kill_all()
    await place.until_it_will_be_redelivered()
    with place.celery_worker():
        await notes.runs_begun(2)
        notes.open_gate()
        assert await handle.result() == "held"
    assert len(notes.runs) == 2


@in_every_pool
@pytest.mark.usefixtures("soon_redelivered")
async def test_a_message_that_is_delivered_again_while_its_task_runs_is_dropped(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    place.addresses.broker_client()  # RabbitMQ delivers again only what a dead connection held
    with place.celery_worker():
        handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=place.queue))
        await notes.runs_begun(1)
        await place.until_it_will_be_redelivered()
        with place.celery_worker() as second:
            dropped = lambda: b"dropped" in second.log.read_bytes()  # noqa: E731 - a name for what is awaited
            await asyncio.to_thread(eventually, dropped, "the second worker drops the second copy")
        notes.open_gate()
        assert await handle.result() == "held"
    assert len(notes.runs) == 1


@pytest.mark.usefixtures("worker")
async def test_a_killed_activity_worker_loses_no_result_and_repeats_no_task(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    with place.activity_worker() as doomed:
        wanted = Wanted(name="estate.hold", args=[token], queue=place.queue, activity_queue=place.queue)
        handle = await saga.start(wanted)
        await notes.runs_begun(1)
        doomed.kill_all()
    notes.open_gate()
    assert await handle.result() == "held"
    assert len(notes.runs) == 1


async def test_a_second_attempt_of_the_activity_enqueues_no_second_copy(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    with place.activity_worker() as doomed:
        wanted = Wanted(name="estate.hold", args=[token], queue=place.queue, activity_queue=place.queue)
        handle = await saga.start(wanted)
        await claim_becomes(place.addresses, handle, TaskState.SENT)
        doomed.kill_all()
    with place.activity_worker():
        await kept_alive(handle, attempt=2)
        notes.open_gate()
        with place.celery_worker() as worker:
            assert await handle.result() == "held"
            # Queued after a second copy, so done after it.
            assert await saga.result(Wanted(name="estate.add", args=[1, 1], queue=place.queue)) == 2
            assert worker.log.read_bytes().count(b"estate.hold[") == len(RECEIVED_AND_SUCCEEDED)
    assert len(notes.runs) == 1


async def test_an_activity_worker_killed_between_sending_and_recording_it_repeats_no_task(
    saga: Saga, token: str, notes: Notes, place: Place
) -> None:
    with place.activity_worker("dies-after-sending") as doomed:
        wanted = Wanted(name="estate.hold", args=[token], queue=place.queue, activity_queue=place.queue)
        handle = await saga.start(wanted)
        await asyncio.to_thread(doomed.process.wait, 30)
    with place.activity_worker():
        await kept_alive(handle, attempt=2)
        assert place.enqueued == 2  # the bridge cannot tell whether the first was sent
        notes.open_gate()
        with place.celery_worker():
            assert await handle.result() == "held"
            # Queued after the second copy, so done after it.
            assert await saga.result(Wanted(name="estate.add", args=[1, 1], queue=place.queue)) == 2
    assert len(notes.runs) == 1


async def test_sending_is_retried_until_the_broker_is_back(
    addresses: Addresses, folder: Path, token: str, notes: Notes, activity_worker: ActivityWorker
) -> None:
    port = free_port()
    apart = Addresses(temporal=addresses.temporal, redis=addresses.redis, broker=f"redis://127.0.0.1:{port}/0")
    async with activity_worker(apart) as saga:
        handle = await saga.start(Wanted(name="estate.nap", args=[token, 0]))
        await attempt_begun(handle, 2)
        with valkey(folder, port), celery_worker(apart, folder, concurrency=1):
            assert await handle.result() == token
    assert len(notes.runs) == 1


async def test_a_task_is_sent_again_after_redis_lost_its_data(
    addresses: Addresses, folder: Path, activity_worker: ActivityWorker
) -> None:
    with valkey(folder, free_port()) as redis:
        own = Addresses(temporal=addresses.temporal, redis=redis, broker=f"{redis}/0")
        async with activity_worker(own) as saga:
            handle = await saga.start(Wanted(name="estate.add", args=[4, 5]))
            broker = own.broker_client()
            await asyncio.to_thread(eventually, lambda: broker.llen("celery") == 1, "the task is enqueued")
            own.notes().flushall()
            with celery_worker(own, folder, concurrency=1):
                assert await handle.result() == 9
