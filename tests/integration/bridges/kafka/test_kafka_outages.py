"""Outages of Temporal and of the broker under load."""

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from itertools import count
from typing import Any, cast

import pytest
from temporalio.client import Client

from messaging.kafka.topics import TopicShape, ensure_topics
from runtime.kafka import ALL_TOPICS
from tests.integration.bridges.kafka.estate import Estate
from tests.support.waiting import soon
from twinsaga_bridges.kafka_into_workflow import Counts, Limits

WHY = "kills, freezes or empties the embedded engines; tests/real kills the real ones"
pytestmark = [pytest.mark.long, pytest.mark.embedded(WHY)]

KEYS = [f"k{number}" for number in range(10)]
AWAY_S = 30.0
SLOW_S = 1.5
SLOWED_S = 9.0
FROZEN_S = 5.0
"""Longer than the members' session timeout of two seconds."""
EVERY_S = 0.25


async def load(estate: Estate, seconds: float, first: int = 0) -> int:
    """Send numbers from `first` on to every key, four a second, for this many seconds. Return the next number."""
    end = time.monotonic() + seconds
    for number in count(first):
        if time.monotonic() >= end:
            return number
        events = [(f"{key}-{number}", "ledger.written", key, number) for key in KEYS]
        await asyncio.to_thread(estate.send, *events)
        await asyncio.sleep(EVERY_S)
    raise AssertionError


async def await_all(estate: Estate, each: int, committed: int | None = None) -> None:
    """Wait until every ledger has `each` numbers; check that it has each number once and in order."""

    async def written() -> list[list[int]]:
        return [await estate.numbers(key) for key in KEYS]

    await soon(written, lambda found: all(len(numbers) >= each for numbers in found), 120.0)
    await estate.await_committed(committed or each * len(KEYS))
    assert await written() == [list(range(each))] * len(KEYS)
    assert estate.graveyard.letters == []


async def test_stopping_temporal_for_30_s_under_load_loses_doubles_and_reorders_nothing(estate: Estate) -> None:
    async with estate.bridging():
        estate.send(*[(f"{key}-0", "ledger.written", key, 0) for key in KEYS])
        await soon(lambda: estate.numbers(KEYS[-1]), bool)

        estate.server.kill()
        each = await load(estate, AWAY_S, first=1)
        assert await asyncio.to_thread(estate.committed) <= len(KEYS)
        await asyncio.to_thread(estate.server.start)

        await await_all(estate, each)


class CountedCalls:
    """A Temporal client that counts the signals for each event, and how many run at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.of_event = Counter[str]()
        self.running = 0
        self.most = [0]
        """Concurrent calls in each half of a second."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the client
        return getattr(self._client, name)

    @property
    def workflow_service(self) -> "CountedCalls":
        return self

    async def signal_with_start_workflow_execution(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        self.of_event[request.request_id] += 1
        self.running += 1
        self.most[-1] = max(self.most[-1], self.running)
        try:
            return await self._client.workflow_service.signal_with_start_workflow_execution(request, **options)
        finally:
            self.running -= 1


async def slowed(estate: Estate, calls: CountedCalls, seconds: float) -> None:
    """Let Temporal run for a twentieth of the time: it answers, each time after more than a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.kill(estate.server.pid, signal.SIGSTOP)
        await asyncio.sleep(SLOW_S)
        os.kill(estate.server.pid, signal.SIGCONT)
        await asyncio.sleep(SLOW_S / 20)
        calls.most.append(0)


async def test_a_slow_temporal_gets_fewer_calls_at_a_time_and_hardly_any_twice(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="twinsaga_bridges")
    calls = CountedCalls(estate.client)
    keys = [f"k{number}" for number in range(200)]
    async with estate.bridging(cast("Client", calls)) as bridge:
        estate.send(("first", "ledger.written", "a", 0))
        await soon(lambda: estate.numbers("a"), bool)
        slowing = asyncio.create_task(slowed(estate, calls, SLOWED_S))
        events = [(f"{key}-{number}", "ledger.written", key, number) for number in range(2) for key in keys]
        await asyncio.to_thread(estate.send, *events)
        await slowing
        await estate.await_committed(1 + len(events))

    assert bridge.counts == Counts(delivered=1 + len(events))
    assert max(calls.of_event.values()) <= 2
    assert max(calls.most) == Limits().calls
    assert min(calls.most[2:-1]) <= Limits().calls // 10
    about_temporal = [record.message for record in caplog.records if record.message.startswith("Temporal")]
    assert 1 <= len(about_temporal) <= 6, about_temporal


async def test_freezing_the_broker_under_load_loses_doubles_and_reorders_nothing(estate: Estate) -> None:
    """The group removes the member after its session timeout, so its records in flight are delivered again."""
    async with estate.bridging():
        loading = asyncio.create_task(load(estate, 3 * FROZEN_S))
        await soon(lambda: estate.numbers(KEYS[-1]), lambda found: len(found) > 2)

        broker = estate.broker.pid
        os.kill(broker, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        os.kill(broker, signal.SIGCONT)

        await await_all(estate, await loading)


async def test_a_broker_that_comes_back_empty_is_read_from_its_beginning(estate: Estate) -> None:
    """The embedded broker keeps records and offsets in memory only. Sending the events again doubles nothing."""
    events = [(f"{key}-{number}", "ledger.written", key, number) for number in range(4) for key in KEYS]
    async with estate.bridging():
        half = events[: len(events) // 2]
        estate.send(*half)
        await estate.await_committed(len(half))

        estate.broker.stop()
        await asyncio.to_thread(estate.broker.start)
        await asyncio.to_thread(ensure_topics, estate.broker.connection, TopicShape(partitions=4), 10, ALL_TOPICS)
        # The same offsets as before the restart must be committed again.
        estate.send(*half)
        await estate.await_committed(len(half))
        estate.send(*events)

        await await_all(estate, 4, committed=len(half) + len(events))
