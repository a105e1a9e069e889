"""Who dies while a workflow awaits a Celery task: it is noticed, the task has one effect, the workflow gets its end."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration.bridges.celery_tasks.callers import Wanted
from tests.integration.bridges.celery_tasks.conftest import ActivityWorker, Notes, Saga, attempt_begun
from tests.integration.bridges.celery_tasks.engines import (
    DIE_IN_SUCCESS,
    Addresses,
    Engine,
    celery_worker,
    running,
    valkey,
)
from tests.stack import eventually, free_port

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid4().hex[:8]}"


@pytest.fixture
def worker(addresses: Addresses, folder: Path, queue: str) -> Iterator[Engine]:
    with celery_worker(addresses, folder, queue=queue, concurrency=1) as worker:
        yield worker


async def kill_child(notes: Notes) -> None:
    [run] = await notes.runs_begun(1)
    os.kill(run["pid"], signal.SIGKILL)


@pytest.mark.usefixtures("worker")
async def test_a_killed_child_is_a_failure_when_its_message_was_acknowledged_early(
    saga: Saga, token: str, notes: Notes, queue: str
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token], queue=queue))
    await kill_child(notes)
    assert (await saga.failure(handle)).type == "WorkerLostError"
    assert len(notes.runs) == 1


@pytest.mark.usefixtures("worker")
async def test_a_killed_child_is_replaced_when_its_message_is_acknowledged_late(
    saga: Saga, token: str, notes: Notes, queue: str
) -> None:
    handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=queue))
    await kill_child(notes)
    await notes.runs_begun(2)
    notes.open_gate()
    assert await handle.result() == "held"
    assert len(notes.runs) == 2


@pytest.mark.usefixtures("worker")
async def test_a_child_killed_inside_its_success_signal_has_its_result_mended(
    saga: Saga, token: str, notes: Notes, queue: str
) -> None:
    notes.open_gate()
    assert await saga.result(Wanted(name="estate.hold", args=[token, DIE_IN_SUCCESS], queue=queue)) == DIE_IN_SUCCESS
    assert len(notes.runs) == 1


async def test_a_killed_celery_worker_is_noticed_by_its_silence(
    saga: Saga, token: str, notes: Notes, queue: str, worker: Engine
) -> None:
    handle = await saga.start(Wanted(name="estate.hold", args=[token], queue=queue))
    await notes.runs_begun(1)
    worker.kill_all()
    assert (await saga.failure(handle)).type == "WorkerLostError"


async def test_the_task_of_a_killed_celery_worker_is_delivered_to_the_next(
    addresses: Addresses, folder: Path, saga: Saga, token: str, notes: Notes, queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("ESTATE_VISIBILITY_S", "1")
    with celery_worker(addresses, folder, queue=queue, concurrency=1) as first:
        handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=queue))
        await notes.runs_begun(1)
        first.kill_all()
    with celery_worker(addresses, folder, queue=queue, concurrency=1):
        await notes.runs_begun(2)
        notes.open_gate()
        assert await handle.result() == "held"
    assert len(notes.runs) == 2


async def test_a_message_that_is_delivered_again_while_its_task_runs_is_dropped(
    addresses: Addresses, folder: Path, saga: Saga, token: str, notes: Notes, queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("ESTATE_VISIBILITY_S", "1")
    with celery_worker(addresses, folder, queue=queue, concurrency=1):
        handle = await saga.start(Wanted(name="estate.hold_late", args=[token], queue=queue))
        await notes.runs_begun(1)
        with celery_worker(addresses, folder, queue=queue, concurrency=1) as second:
            eventually(lambda: b"dropped" in second.log.read_bytes(), "the second worker drops the second copy")
        notes.open_gate()
        assert await handle.result() == "held"
    assert len(notes.runs) == 1


async def test_a_killed_activity_worker_loses_no_result_and_repeats_no_task(
    addresses: Addresses, client: Client, folder: Path, token: str, notes: Notes, queue: str, worker: Engine,
    activity_worker: ActivityWorker,
) -> None:  # fmt: skip
    assert worker.process.poll() is None
    command = [sys.executable, "-m", "tests.integration.bridges.celery_tasks.activity_worker", queue]
    with running(command, folder / "activity-worker.log", addresses.environment) as doomed:
        handle = await Saga(client, queue).start(Wanted(name="estate.hold", args=[token], queue=queue))
        await notes.runs_begun(1)
        doomed.kill_all()
    notes.open_gate()
    async with activity_worker(addresses, queue):
        assert await handle.result() == "held"
    assert len(notes.runs) == 1


async def test_a_second_attempt_of_the_activity_enqueues_no_second_copy(
    addresses: Addresses, client: Client, folder: Path, token: str, notes: Notes, queue: str,
    activity_worker: ActivityWorker,
) -> None:  # fmt: skip
    command = [sys.executable, "-m", "tests.integration.bridges.celery_tasks.activity_worker", queue]
    broker = addresses.broker_client()
    with running(command, folder / "activity-worker.log", addresses.environment) as doomed:
        handle = await Saga(client, queue).start(Wanted(name="estate.hold", args=[token], queue=queue))
        eventually(lambda: broker.llen(queue) == 1, "the task is enqueued")
        doomed.kill_all()
    async with activity_worker(addresses, queue):
        await attempt_begun(handle, 2)
        assert broker.llen(queue) == 1
        notes.open_gate()
        with celery_worker(addresses, folder, queue=queue, concurrency=1):
            assert await handle.result() == "held"
    assert len(notes.runs) == 1


async def test_a_broker_that_is_away_is_tried_again_until_it_is_back(
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


async def test_a_redis_that_lost_its_memory_makes_the_task_be_sent_again(
    addresses: Addresses, folder: Path, activity_worker: ActivityWorker
) -> None:
    with valkey(folder, free_port()) as redis:
        own = Addresses(temporal=addresses.temporal, redis=redis, broker=f"{redis}/0")
        async with activity_worker(own) as saga:
            handle = await saga.start(Wanted(name="estate.add", args=[4, 5]))
            eventually(lambda: own.broker_client().llen("celery") == 1, "the task is enqueued")
            own.notes().flushall()
            with celery_worker(own, folder, concurrency=1):
                assert await handle.result() == 9
