"""What the services bury starts no witness and signals no saga: the bridge reads events as they do."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from messaging.ids import NotAnId
from processes.kafka_bridge.routes import REQUESTED, EstateRoutes, topics_read
from runtime.settings import Settings
from runtime.wiring import Services
from services.sealing import UNSEALED
from tests.support.api_bodies import PAIR
from twinsaga_bridges.kafka_into_workflow import Choose, IncomingEvent, KafkaRecord, plain_json, record_key

V1 = Path(__file__).parents[1] / "events" / "v1"
DECODERS = topics_read(Settings())


def record(event_type: str) -> KafkaRecord:
    kept: Mapping[str, Any] = json.loads((V1 / f"{event_type}.json").read_text())
    return KafkaRecord(
        topic=kept["topic"],
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=kept["key"].encode(),
        value=json.dumps(kept["value"]).encode(),
        headers=tuple((name, text.encode()) for name, text in kept["headers"].items()),
    )


def test_an_event_is_read() -> None:
    assert DECODERS["orders"](record("order.created")).type == "order.created"


@pytest.mark.parametrize("order_id", ["5", "true", "[]", "{}", "NaN", "null", '"\\ud800"', '"\\u0000"', '""'])
@pytest.mark.parametrize("event_type", ["order.created", "payment.completed", "shipping.scheduled", "payment.settled"])
def test_an_order_id_that_is_none_is_unreadable(event_type: str, order_id: str) -> None:
    good = record(event_type)
    value = json.loads(good.value or b"") | {"order_id": "the id"}

    with pytest.raises((ValueError, RecursionError)):
        DECODERS[good.topic](replace(good, value=json.dumps(value).replace('"the id"', order_id).encode()))


@pytest.mark.parametrize("topic", sorted(topic for topic in DECODERS if not topic.endswith(".dlq")))
@pytest.mark.parametrize("value", [b"[" * 3_000, b"", None, b"\xff", b"9" * 5_000, b'{"order_id": "x"'])
def test_a_value_that_is_no_json_is_unreadable(topic: str, value: bytes | None) -> None:
    with pytest.raises((ValueError, RecursionError)):
        DECODERS[topic](replace(record("payment.settled"), topic=topic, value=value))


@pytest.mark.parametrize("key", ["", " ", "a\x00b", "a\nb", "k" * 256, "ü" * 128, "k" * 1_000])
def test_a_request_whose_key_is_no_id_is_refused_before_anything_is_written(key: str) -> None:
    nothing = cast("Services", None)  # any use of a service would fail in another way
    place = cast("Choose", EstateRoutes(settings=Settings(), services=nothing, seals=UNSEALED).table()[REQUESTED])
    request = replace(record("order.created"), topic=REQUESTED, key=key.encode(), value=json.dumps(PAIR).encode())
    event: IncomingEvent = plain_json(REQUESTED, id=record_key)(request)

    async def choose() -> None:
        await place(event)

    with pytest.raises(NotAnId):
        asyncio.run(choose())
