"""Records of JSON without CloudEvents headers, and what is no event whatever the decoder says."""

from dataclasses import replace
from typing import Any, cast

import pytest

from twinsaga_bridges.kafka.events import check_event, check_identified
from twinsaga_bridges.kafka_into_workflow import KafkaRecord, Unreadable, plain_json, record_key

RECORD = KafkaRecord(
    topic="invoices",
    partition=3,
    offset=7,
    timestamp_ms=1_700_000_000_000,
    key=b"i-1",
    value=b'{"kind": "paid", "number": 5, "customer": "ana"}',
    headers=(),
)
EVENT = plain_json("invoice.paid")(RECORD)


def test_each_record_is_an_event_of_its_own_unless_an_id_is_named() -> None:
    read = plain_json("invoice.paid")
    again = replace(RECORD, offset=8)
    lost_and_filled_again = replace(RECORD, timestamp_ms=1_800_000_000_000)

    assert (EVENT.id, EVENT.source, EVENT.key) == ("invoices/3/7/1700000000000", "invoices", "i-1")
    assert len({read(each).identity for each in (RECORD, again, lost_and_filled_again)}) == 3
    assert read(replace(RECORD)).identity == EVENT.identity
    by_key = plain_json("invoice.paid", id=record_key)
    assert by_key(RECORD).identity == by_key(again).identity != by_key(replace(RECORD, topic="others")).identity


def test_type_id_and_key_are_read_from_the_data() -> None:
    read = plain_json(
        type=lambda data, _: f"invoice.{data['kind']}",
        id=lambda data, record: f"{record.partition}/{data['number']}",
        key=lambda data, _: data["customer"],
    )

    event = read(RECORD)

    assert (event.type, event.id, event.key) == ("invoice.paid", "3/5", "ana")


@pytest.mark.parametrize("value", [b"[" * 3_000, b"", None, b"\xff", b"9" * 5_000, b'{"a": NaN}', b"-Infinity"])
def test_what_is_no_json_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        plain_json("invoice.paid")(replace(RECORD, value=value))


@pytest.mark.parametrize("name", ["id", "type", "key", "source"])
@pytest.mark.parametrize("value", [5, True, [], {}, float("nan"), None, b"i-1"], ids=repr)
def test_an_attribute_that_is_not_text_is_unreadable(name: str, value: object) -> None:
    changed: dict[str, Any] = {name: value}

    with pytest.raises(Unreadable, match=f"the event's {name} is "):
        check_event(replace(EVENT, **changed))


def test_a_decoder_that_returns_no_event_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="returned None"):
        check_event(None)


@pytest.mark.parametrize("name", ["id", "key"])
def test_an_event_without_an_id_or_a_key_is_unreadable(name: str) -> None:
    empty = replace(EVENT, **cast("dict[str, Any]", {name: ""}))

    with pytest.raises(Unreadable, match=f"the event's {name} is empty"):
        check_identified(empty)
    check_identified(check_event(EVENT))
