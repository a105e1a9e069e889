"""Messages that the first version wrote stay readable, by this version and by the published schemas."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from adapters.settlements import read_settlement
from domain.events import Event
from event_catalog.generate import published_schemas
from event_catalog.headers import CLOUD_EVENT
from messaging.events import RecordedEvent
from messaging.kafka.cloudevents import from_message
from messaging.kafka.message import IncomingMessage
from messaging.vocabulary import tag_of
from services.vocabulary import ORDER_EVENTS, SETTLEMENTS
from tests.events.record import V1, a_message_of

Json = Mapping[str, Any]
TAGS = sorted(tag_of(event) for event in get_args(Event))
SCHEMAS = published_schemas()


def recorded_message(tag: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((V1 / f"{tag}.json").read_text())
    return message


def read(message: Json) -> RecordedEvent[Event]:
    """Read it the way the services do."""
    incoming = IncomingMessage(
        topic=message["topic"],
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=message["key"].encode(),
        value=json.dumps(message["value"]).encode(),
        headers=tuple((name, value.encode()) for name, value in message["headers"].items()),
    )
    if incoming.topic == SETTLEMENTS:
        return read_settlement(incoming).recorded
    return from_message(ORDER_EVENTS, incoming.key, incoming.value, incoming.headers).recorded


def with_more_fields(value: Any) -> Any:  # noqa: ANN401 - JSON is any of a few types
    """An event as a later version may write it: more fields, in every object at every depth."""
    if isinstance(value, dict):
        return {name: with_more_fields(inner) for name, inner in value.items()} | {"since_v2": {"why": ["new"]}}
    return [with_more_fields(item) for item in value] if isinstance(value, list) else value


def holds(whole: Any, part: Any) -> bool:  # noqa: ANN401 - the same
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], inner) for name, inner in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def test_one_message_of_every_type_is_recorded() -> None:
    recorded = {file.stem for file in V1.glob("*.json")}

    assert set(TAGS) - recorded == set(), "record it with `python -m tests.events.record`"
    assert recorded - set(TAGS) == set(), "what was published once has to stay readable"


@pytest.mark.parametrize("tag", TAGS)
def test_a_recorded_message_is_read_without_loss(tag: str) -> None:
    message = recorded_message(tag)

    recorded = read(message)

    assert recorded.event.type == tag
    assert holds(json.loads(ORDER_EVENTS.encode(recorded.event)), message["value"])
    assert recorded.event_id == message["headers"]["ce_id"]
    assert recorded.caused_by == message["headers"]["ce_causationid"]
    assert recorded.at == datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("tag", TAGS)
def test_unknown_fields_and_headers_are_ignored_at_any_depth(tag: str) -> None:
    message = recorded_message(tag)
    later = message | {
        "value": with_more_fields(message["value"]),
        "headers": message["headers"] | {"ce_since": "v2", "since-v2": "1"},
    }

    assert read(later) == read(message)


@pytest.mark.parametrize("tag", TAGS)
def test_the_published_schemas_accept_recorded_current_and_later_messages(tag: str) -> None:
    event = next(event for event in get_args(Event) if tag_of(event) == tag)
    data, headers = Draft202012Validator(SCHEMAS[tag]), Draft202012Validator(CLOUD_EVENT)

    for message in (recorded_message(tag), a_message_of(event)):
        data.validate(message["value"])
        data.validate(with_more_fields(message["value"]))
        headers.validate(message["headers"])


@pytest.mark.parametrize("tag", TAGS)
def test_the_published_schemas_refuse_a_missing_field_and_another_event(tag: str) -> None:
    schema = Draft202012Validator(SCHEMAS[tag])
    value = recorded_message(tag)["value"]

    Draft202012Validator.check_schema(SCHEMAS[tag])
    assert not any(schema.is_valid({key: value[key] for key in value if key != field}) for field in value)
    assert not schema.is_valid(value | {"type": "order.lost"})


@pytest.mark.parametrize("tag", TAGS)
def test_a_recorded_message_is_of_its_topic(tag: str) -> None:
    assert recorded_message(tag)["topic"] == ORDER_EVENTS.topic_of(tag)
