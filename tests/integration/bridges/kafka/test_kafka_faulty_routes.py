"""User code that raises: about one event, which becomes a dead letter, or about a service, which is retried."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultPayloadConverter

from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.ledger import Entry
from tests.integration.bridges.kafka.routes import OPEN, ROUTES, TASK_QUEUE, ledger_id
from tests.support.waiting import soon
from twinsaga_bridges.kafka_into_workflow import (
    Bury,
    IncomingEvent,
    KafkaRecord,
    Limits,
    Route,
    Signal,
    SignalWithStart,
    Start,
    Unreadable,
    Update,
    cloud_events,
)

NOT_ENCODABLE = 13


class VendorError(Exception):
    """An exception class that the bridge does not know."""


BAD_DATA = [
    KeyError("total"),
    json.JSONDecodeError("Expecting value", "", 0),
    AttributeError("'list' object has no attribute 'get'"),
    TypeError("string indices must be integers"),
    RecursionError("maximum recursion depth exceeded"),
    ValueError("a lone surrogate: \ud800"),
]
ANYTHING = [*BAD_DATA, RuntimeError("broken"), VendorError("broken"), TimeoutError("regular expression too slow")]


def named(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", ANYTHING, ids=named)
async def test_any_exception_of_a_decoder_mapping_or_converter_costs_one_record(
    estate: Estate, error: Exception
) -> None:
    def fail(_: IncomingEvent) -> NoReturn:
        raise error

    def decode(record: KafkaRecord) -> IncomingEvent:
        if record.key == b"undecodable":
            raise error
        return cloud_events(record)

    class FaultyConverter(DefaultPayloadConverter):
        def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
            if Entry(number=NOT_ENCODABLE) in values:
                raise error
            return super().to_payloads(values)

    start = Start(workflow="Ledger", workflow_id=ledger_id, task_queue=TASK_QUEUE)
    routes = {
        **ROUTES,
        "bad.start_id": replace(start, workflow_id=fail),
        "bad.start_argument": replace(start, argument=fail),
        "bad.attributes": replace(start, search_attributes=fail),
        "bad.signal_id": Signal(signal="close", workflow_id=fail),
        "bad.signal_argument": SignalWithStart(signal="write", start=OPEN, argument=fail),
        "bad.update": Update(update="correct", workflow_id=ledger_id, argument=fail),
    }
    bad = [(kind, kind, f"key of {kind}", 0) for kind in routes if kind.startswith("bad.")]
    bad += [("no-event", "ledger.written", "undecodable", 0), ("no-json", "ledger.written", "b", NOT_ENCODABLE)]
    converter = DataConverter(payload_converter_class=FaultyConverter)
    client = Client(**(estate.client.config() | {"data_converter": converter}))

    async with estate.bridging(client, decoder=decode, routes=routes, limits=Limits(in_flight=2)):
        estate.send(*bad)
        await estate.await_committed(len(bad))
        # With two records in flight for ever, the consumer would be paused now.
        estate.send(("good", "ledger.written", "good", 1))
        await estate.await_committed(len(bad) + 1)

        assert await estate.numbers("good") == [1]
    assert [named(error) in letter for letter in estate.graveyard.letters] == [True] * len(bad)


async def test_bad_data_in_an_async_function_of_a_route_costs_one_record(estate: Estate) -> None:
    async def choose(event: IncomingEvent) -> Route | None:
        raise BAD_DATA[event.data["number"]]

    async def too_late(event: IncomingEvent) -> None:
        raise BAD_DATA[event.data["number"]]

    late = Signal(signal="close", workflow_id=ledger_id, too_late=too_late)
    async with estate.bridging(routes={**ROUTES, "bad.choice": choose, "bad.late": late}):
        estate.send(*[(f"c{each}", "bad.choice", "a", each) for each in range(len(BAD_DATA))])
        estate.send(*[(f"l{each}", "bad.late", "a", each) for each in range(len(BAD_DATA))])
        estate.send(("good", "ledger.written", "a", 1))
        await estate.await_committed(2 * len(BAD_DATA) + 1)

        assert await estate.numbers("a") == [1]
    letters = estate.graveyard.letters
    assert [named(error) in letter for error, letter in zip(2 * BAD_DATA, letters, strict=True)] == [True] * len(
        letters
    )


async def test_a_service_behind_a_route_that_is_away_is_called_again(estate: Estate) -> None:
    calls = {"choose": 0, "too late": 0}

    def fail_first(name: str) -> None:
        calls[name] += 1
        if calls[name] == 1:
            raise ConnectionError("the database is away")

    async def choose(_: IncomingEvent) -> Route | None:
        fail_first("choose")
        return OPEN

    async def too_late(_: IncomingEvent) -> None:
        fail_first("too late")

    late = Signal(signal="close", workflow_id=lambda _: "ledger/none", too_late=too_late)
    async with estate.bridging(routes={**ROUTES, "chosen": choose, "late": late}):
        estate.send(("e1", "chosen", "a", 0), ("e2", "ledger.written", "a", 1), ("e3", "late", "a", 0))
        await estate.await_committed(3)

        assert await estate.numbers("a") == [1]
    assert calls == {"choose": 2, "too late": 2}
    assert estate.graveyard.letters == []


class DeadLettersAway:
    """Refuses every dead letter until `back` is set."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self.attempts = 0
        self.back = False

    def bury(self, record: KafkaRecord, why: Exception) -> None:
        self.attempts += 1
        if not self.back:
            raise ConnectionError("the dead letters are away")
        assert isinstance(why, Unreadable)
        self._estate.graveyard.bury(record, why)

    async def bury_later(self, record: KafkaRecord, why: Exception) -> None:
        await asyncio.sleep(0.01)
        self.bury(record, why)


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
async def test_the_offset_is_committed_after_the_dead_letter_is_stored(estate: Estate, kind: str) -> None:
    carrier = DeadLettersAway(estate)
    bury: Bury = carrier.bury if kind == "function" else carrier.bury_later

    async def attempts() -> int:
        return carrier.attempts

    async with estate.bridging(bury=bury):
        estate.send(("e1", "ledger.written", "a", 1), ce_specversion="0.3")
        await soon(attempts, lambda count: count > 1)
        assert await asyncio.to_thread(estate.committed) == 0

        carrier.back = True
        await estate.await_committed(1)
    assert len(estate.graveyard.letters) == 1
