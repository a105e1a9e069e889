"""A partition stalls when messages wait in it and its committed offset does not move."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from kafka.errors import KafkaConnectionError

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.lag import STALLED_S, Position, Stalls
from processes.api.consumers import ConsumerWatch, PartitionStalled
from tests.support.ports import free_port


def stood(*seen: tuple[float, Position]) -> float:
    """Measure at these times; return the last result."""
    times: Iterator[float] = iter([at for at, _ in seen])
    stalls: Stalls[str] = Stalls(lambda: next(times))
    found: Mapping[str, float] = {}
    for _, position in seen:
        found = stalls.note({"a": position})
    return found["a"]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([(0, Position(5, 9))], 0),
        ([(0, Position(5, 9)), (60, Position(5, 12))], 60),
        ([(0, Position(5, 9)), (60, Position(6, 12))], 0),
        ([(0, Position(5, 9)), (60, Position(6, 12)), (90, Position(6, 12))], 30),
        ([(0, Position(5, 5)), (600, Position(5, 5))], 0),
        ([(0, Position(5, 5)), (600, Position(5, 6)), (630, Position(5, 6))], 30),
        ([(0, Position(9, 20)), (60, Position(0, 20)), (70, Position(0, 20))], 10),
        ([(0, Position(9, 5)), (60, Position(9, 5))], 0),
    ],
    ids="first,still,moved,moved once,empty,filled,reset,beyond the end".split(","),
)
def test_only_messages_that_wait_make_a_stall(seen: list[tuple[float, Position]], expected: float) -> None:
    assert stood(*seen) == expected


def test_a_broker_that_is_away_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}", answer_timeout_ms=100)
    watch = ConsumerWatch(nowhere, {"group": ["topic"]})
    monkeypatch.setattr(KafkaConnection, "admin", _away)
    watch._stalled = {("group", None): STALLED_S}

    with pytest.raises(PartitionStalled):
        asyncio.run(watch.ask())
    watch.look()

    asyncio.run(watch.ask())


def _away(_: KafkaConnection, __: float) -> object:
    raise KafkaConnectionError
