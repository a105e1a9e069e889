"""Calls to Temporal: fewer at a time while it is slow, and none but one probe while it is away."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from temporalio.service import RPCError, RPCStatusCode

from tests.support.waiting import until
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka import temporal_calls
from twinsaga_bridges.kafka.faults import NoWorker
from twinsaga_bridges.kafka.temporal_calls import SLOW_S, TemporalCalls

MOST = 8
AWAY = RPCError("connection refused", RPCStatusCode.UNAVAILABLE, b"")
SILENT = RPCError("timeout", RPCStatusCode.DEADLINE_EXCEEDED, b"")


class Temporal:
    """Answers each call when the test says so, after a time that the test chooses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[asyncio.Future[None]] = []
        self.calls = TemporalCalls(MOST, lambda: self.now)

    async def call(self) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        await answer

    async def answer(self, count: int, after_s: float, error: Exception | None = None) -> None:
        """Let the first `count` calls end `after_s` from now, and the next ones begin."""
        await until(lambda: len(self.waiting) >= count)
        self.now += after_s
        ended, self.waiting = self.waiting[:count], self.waiting[count:]
        for each in ended:
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(error)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def temporal() -> Temporal:
    return Temporal()


@contextmanager
def waiting_calls(temporal: Temporal, count: int, *, needs_worker: bool = False) -> Iterator[None]:
    tasks = [
        asyncio.create_task(temporal.calls.acknowledged(temporal.call, 0, needs_worker=needs_worker))
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def test_slow_answers_halve_the_calls_and_quick_ones_let_them_grow(temporal: Temporal) -> None:
    with waiting_calls(temporal, 100):
        await temporal.answer(MOST, 2 * SLOW_S)
        assert (temporal.calls.limit, len(temporal.waiting)) == (MOST // 2, MOST // 2)  # all of them count once
        await temporal.answer(MOST // 2, 2 * SLOW_S)
        await temporal.answer(MOST // 4, 2 * SLOW_S)
        await temporal.answer(1, 2 * SLOW_S)
        assert (temporal.calls.limit, len(temporal.waiting)) == (1, 1)

        grown = []
        while temporal.calls.limit < MOST:
            await temporal.answer(1, SLOW_S / 10)
            grown.append(temporal.calls.limit)

        assert len(temporal.waiting) == MOST
    assert grown[:4] == [2, 2, 2, 3]  # by one, for as many quick answers as there are calls at a time


async def test_while_temporal_is_away_one_call_at_a_time_finds_out(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(temporal_calls, "AWAY", Backoff(first_s=0.01, longest_s=0.01))
    caplog.set_level(logging.INFO, logger=temporal_calls.__name__)
    with waiting_calls(temporal, 100):
        await temporal.answer(MOST, 0.1, AWAY)
        assert temporal.waiting == []

        for error in (AWAY, SILENT, AWAY):  # three backoffs, of the bridge and not of each record
            temporal.now += 1
            await temporal.answer(1, 0.1, error)
            assert temporal.waiting == []
        temporal.now += 1
        await temporal.answer(1, 0.0)

        assert len(temporal.waiting) == temporal.calls.limit > 1
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "Temporal is away, all deliveries wait",
        "Temporal answers again after 4.3 s",
    ]


async def test_an_answer_from_before_a_failure_does_not_end_it(temporal: Temporal) -> None:
    with waiting_calls(temporal, 100):
        await temporal.answer(1, 0.1, AWAY)
        await temporal.answer(MOST - 1, 0.0)

        assert temporal.waiting == []


async def test_calls_that_wait_for_a_worker_take_no_place_and_say_nothing_about_temporal(temporal: Temporal) -> None:
    no_worker = NoWorker("no worker")
    with waiting_calls(temporal, 2 * MOST, needs_worker=True):
        await until(lambda: len(temporal.waiting) == 2 * MOST)
        with waiting_calls(temporal, MOST):
            await until(lambda: len(temporal.waiting) == 3 * MOST)
            await temporal.answer(2 * MOST - 1, 10 * SLOW_S)
            await temporal.answer(1, 0.0, no_worker)

            assert temporal.calls.limit == MOST


async def test_a_call_that_is_cancelled_when_it_gets_its_place_gives_it_to_the_next_one(temporal: Temporal) -> None:
    with waiting_calls(temporal, MOST):
        await until(lambda: len(temporal.waiting) == MOST)
        with waiting_calls(temporal, 1):
            await asyncio.sleep(0)  # it waits
            temporal.waiting.pop().set_result(None)
            await asyncio.sleep(0)  # the call that ended gives its place away
        with waiting_calls(temporal, 1):
            await until(lambda: len(temporal.waiting) == MOST)
