"""The socket between the API and the saga worker: what is asked there, and what happens where nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from domain.order import OrderRequest
from processes.eager_start_socket import (
    LEFT_ALONE_S,
    LONGEST_LINE,
    NOT_STARTED,
    StartsByWorker,
    socket_in,
    starts_taken,
)
from processes.saga_worker.serve import socket_of
from runtime.settings import Settings
from tests.support.examples import a_request

DEADLINE_S = 10.0


class Worker:
    """Notes what it is to start, and fails or hangs on demand."""

    def __init__(self) -> None:
        self.started: list[OrderRequest] = []
        self.fails = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def start(self, request: OrderRequest) -> None:
        await self.goes_on.wait()
        if self.fails:
            raise ConnectionError("Temporal is away")
        self.started.append(request)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    found = socket_in(tmp_path)
    assert found is not None
    return found


@pytest_asyncio.fixture
async def starts(socket: Path, clock: Clock) -> AsyncIterator[StartsByWorker]:
    starts = StartsByWorker(socket, clock, answer_within_s=0.2)
    yield starts
    await starts.close()


async def test_the_worker_starts_what_it_is_asked_for(socket: Path, starts: StartsByWorker) -> None:
    worker, requests = Worker(), [a_request() for _ in range(20)]

    async with starts_taken(socket, worker.start):
        assert await starts.start(requests[0])
        assert all(await asyncio.gather(*map(starts.start, requests[1:])))

    assert sorted(request.order_id for request in worker.started) == sorted(request.order_id for request in requests)
    assert worker.started[0] == requests[0]


async def test_without_a_worker_nobody_is_waited_for_and_it_is_left_alone(
    socket: Path, starts: StartsByWorker, clock: Clock
) -> None:
    worker = Worker()
    assert not await starts.start(a_request())

    async with starts_taken(socket, worker.start):
        assert not await starts.start(a_request())
        clock.now += LEFT_ALONE_S
        assert await starts.start(a_request())
        assert await starts.start(a_request())

    assert len(worker.started) == 2


async def test_a_stack_without_a_run_folder_has_no_worker_at_hand() -> None:
    worker = Worker()

    async with starts_taken(socket_in(None), worker.start):
        assert not await StartsByWorker(socket_in(None)).start(a_request())

    assert worker.started == []


def test_a_worker_that_has_a_version_takes_no_starts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path).with_changes(embedded_run_dir=tmp_path)

    assert socket_of(settings) == socket_in(tmp_path)
    assert socket_of(settings.with_changes(temporal_build_id="2")) is None


async def test_a_worker_that_was_started_again_is_asked_anew(socket: Path, starts: StartsByWorker) -> None:
    for _ in range(2):
        worker = Worker()
        async with starts_taken(socket, worker.start):
            assert await starts.start(a_request())
        assert len(worker.started) == 1


async def test_a_worker_that_cannot_start_it_says_so_and_is_asked_again(socket: Path, starts: StartsByWorker) -> None:
    worker = Worker()

    async with starts_taken(socket, worker.start):
        worker.fails = True
        assert not await starts.start(a_request())
        worker.fails = False
        assert await starts.start(a_request())


async def test_a_worker_that_hangs_is_given_up_in_time(socket: Path, starts: StartsByWorker, clock: Clock) -> None:
    worker = Worker()

    async with starts_taken(socket, worker.start):
        worker.goes_on.clear()
        assert not await asyncio.wait_for(starts.start(a_request()), DEADLINE_S)
        worker.goes_on.set()
        clock.now += LEFT_ALONE_S
        again = a_request()
        assert await starts.start(again)

    assert worker.started[-1] == again


async def test_what_is_no_request_is_not_started_and_what_never_ends_is_cut_off(
    socket: Path, starts: StartsByWorker
) -> None:
    worker = Worker()

    async with starts_taken(socket, worker.start):
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(b"{}\n")
        assert await reader.readline() == NOT_STARTED
        writer.write(b"x" * (2 * LONGEST_LINE))
        assert await asyncio.wait_for(_rest_of(reader), DEADLINE_S) == b""
        writer.close()
        assert worker.started == []
        assert await starts.start(a_request())


async def _rest_of(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionResetError):  # what it had not read yet is lost with the connection
        return await reader.read()
    return b""


async def test_a_socket_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    far = tmp_path / ("deep" * 30)
    far.mkdir()
    worker = Worker()

    async with starts_taken(socket_in(far), worker.start):
        assert not await StartsByWorker(socket_in(far)).start(a_request())
