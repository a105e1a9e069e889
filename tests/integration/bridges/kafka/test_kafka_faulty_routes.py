"""User code that raises: about one event, which becomes a dead letter, or about a service, which is retried."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from kafka import KafkaConsumer
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultPayloadConverter

from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.ledger import Entry
from tests.integration.bridges.kafka.routes import OPEN, ROUTES, TASK_QUEUE, TOPIC, ledger_id
from tests.support.waiting import soon
from twinsaga_bridges.kafka_into_workflow import (
    Bury,
    Counts,
    DeadLetterTopic,
    IncomingEvent,
    KafkaConnection,
    KafkaIntoWorkflow,
    KafkaRecord,
    Limits,
    Route,
    Signal,
    SignalWithStart,
    Start,
    Unreadable,
    UnsuitableClient,
    Update,
    cloud_events,
)

NOT_ENCODABLE = 13


class VendorError(Exception):
    """An exception class that the bridge does not know."""


ANYTHING = [
    KeyError("total"),
    json.JSONDecodeError("Expecting value", "", 0),
    AttributeError("'list' object has no attribute 'get'"),
    TypeError("string indices must be integers"),
    RecursionError("maximum recursion depth exceeded"),
    ValueError("a lone surrogate: \ud800"),
    RuntimeError("broken"),
    VendorError("broken"),
    TimeoutError("regular expression too slow"),
]


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
    bad_data = ANYTHING[:-1]  # without the TimeoutError, by which a service is away

    async def choose(event: IncomingEvent) -> Route | None:
        raise bad_data[event.data["number"]]

    async def too_late(event: IncomingEvent) -> None:
        raise bad_data[event.data["number"]]

    late = Signal(signal="close", workflow_id=ledger_id, too_late=too_late)
    async with estate.bridging(routes={**ROUTES, "bad.choice": choose, "bad.late": late}):
        estate.send(*[(f"c{each}", "bad.choice", "a", each) for each in range(len(bad_data))])
        estate.send(*[(f"l{each}", "bad.late", "a", each) for each in range(len(bad_data))])
        estate.send(("good", "ledger.written", "a", 1))
        await estate.await_committed(2 * len(bad_data) + 1)

        assert await estate.numbers("a") == [1]
    letters = estate.graveyard.letters
    assert [named(error) in letter for error, letter in zip(2 * bad_data, letters, strict=True)] == [True] * len(
        letters
    )


async def test_a_service_behind_a_route_that_is_away_is_called_again(estate: Estate) -> None:
    calls = {"choose": 0, "too late": 0}

    def fail_first(name: str) -> None:
        calls[name] += 1
        if calls[name] <= 2:
            raise (ConnectionError, VendorError)[calls[name] - 1]("the database is away")

    async def choose(_: IncomingEvent) -> Route | None:
        fail_first("choose")
        return OPEN

    async def too_late(_: IncomingEvent) -> None:
        fail_first("too late")

    late = Signal(signal="close", workflow_id=lambda _: "ledger/none", too_late=too_late)
    async with estate.bridging(routes={**ROUTES, "chosen": choose, "late": late}, away=[VendorError]):
        estate.send(("e1", "chosen", "a", 0), ("e2", "ledger.written", "a", 1), ("e3", "late", "a", 0))
        await estate.await_committed(3)

        assert await estate.numbers("a") == [1]
    assert calls == {"choose": 3, "too late": 3}
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


async def test_the_dead_letter_topic_keeps_the_record_and_adds_what_was_wrong(estate: Estate) -> None:
    connection = KafkaConnection(bootstrap=estate.broker.bootstrap, fetch_max_wait_ms=10)
    with closing(DeadLetterTopic(connection.producer, group="g")) as dead_letters:
        async with estate.bridging(bury=dead_letters) as bridge:
            estate.send(("e1", "ledger.written", "a", 1), ce_specversion="0.3")
            estate.broker.topic(TOPIC).put(b"no event", None, [("h", b"1")])
            await estate.await_committed(2)
            letters = await asyncio.to_thread(estate.broker.topic(f"{TOPIC}.dlq").await_messages, 2)
    assert bridge.counts == Counts(dead_letters=2)
    letter = next(each for each in letters if each.key == b"a")
    headers = {name: value.decode() for name, value in letter.headers}
    assert (letter.value, headers["ce_id"]) == (b'{"number": 1}', "e1")
    assert (headers["dead_letter_topic"], headers["dead_letter_offset"]) == (TOPIC, "0")
    assert headers["dead_letter_error"] == "Unreadable"
    assert headers["dead_letter_message"] == "only CloudEvents 1.0 are read"


async def test_a_consumer_that_would_lose_records_ends_the_bridge(estate: Estate) -> None:
    def connect() -> KafkaConsumer:
        return KafkaConsumer(bootstrap_servers=estate.broker.bootstrap, group_id="g")

    bridge = KafkaIntoWorkflow(estate.client, {TOPIC: cloud_events}, ROUTES, connect, estate.graveyard.bury)
    with pytest.raises(UnsuitableClient, match="enable_auto_commit must be False"):
        await bridge.run()


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
