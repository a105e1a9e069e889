"""The generated documents in `docs/` agree with the code."""

import json
import re
import shutil
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from choreography.picture import picture_of_the_choreography, table_of_the_policies
from choreography.routing import OUT_OF_ATTEMPTS, ROUTING
from domain.events import Event, OrderConfirmed
from domain.ids import OrderId
from estate.order_mails import OUTCOME_TYPES
from event_catalog.asyncapi import asyncapi_document
from event_catalog.generate import EVENTS, ROOT, generated, published_schemas, write_documents
from event_catalog.headers import CLOUD_EVENT, DEAD_LETTER
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import to_message
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.message import IncomingMessage
from messaging.kafka.topics import is_dead_letters
from messaging.vocabulary import tag_of
from processes import order_mails as serve_order_mails
from processes.choreography.service import topics_read_by
from runtime.errors import CannotRun
from runtime.kafka import ALL_TOPICS
from services.vocabulary import ORDER_EVENTS
from twinsaga_bridges.kafka.dead_letter_topic import DeadLetterTopic
from twinsaga_bridges.kafka.outgoing import OutgoingEvent
from twinsaga_bridges.kafka.producer import _binary

GENERATED = generated()
DOCUMENT: dict[str, Any] = json.loads(json.dumps(asyncapi_document()))
MESSAGE = IncomingMessage(
    topic="orders", partition=0, offset=0, timestamp_ms=0, key=b"o-1", value=b"", headers=(("ce_id", b"e-1"),)
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the documents that a test may change."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_the_committed_documents_are_up_to_date(path: Path) -> None:
    committed = (ROOT / path).read_text() if (ROOT / path).exists() else None

    assert committed == GENERATED[path], f"{path} is out of date: run `make docs`"


def test_every_document_is_still_generated() -> None:
    assert {file.relative_to(ROOT) for file in (ROOT / EVENTS).iterdir()} <= GENERATED.keys()


def test_every_event_type_has_a_published_schema() -> None:
    assert published_schemas().keys() == {tag_of(event) for event in get_args(Event)}


def test_an_incompatible_change_does_not_overwrite_the_published_schema(copy: Path) -> None:
    published = copy / EVENTS / "order.created.json"
    schema = json.loads(published.read_text())
    schema["properties"]["channel"] = {"type": "string"}
    published.write_text(json.dumps(schema))
    before = {file: file.read_bytes() for file in copy.rglob("*.*")}

    with pytest.raises(CannotRun, match=r"order\.created: channel is removed"):
        write_documents(copy)

    assert {file: file.read_bytes() for file in copy.rglob("*.*")} == before


def test_missing_and_outdated_documents_are_written(copy: Path) -> None:
    (copy / EVENTS / "order.created.json").unlink()
    page = copy / "docs" / "choreography.md"
    page.write_text(re.sub(r"flowchart LR\n    order-service.*?```", "old\n```", page.read_text(), flags=re.DOTALL))

    write_documents(copy)

    assert {path: (copy / path).read_text() for path in GENERATED} == GENERATED


def test_the_documented_headers_are_those_of_an_event() -> None:
    event = OrderConfirmed(order_id=OrderId("o-1"))
    at = datetime(2030, 1, 1, tzinfo=UTC)
    whole = RecordedEvent(event_id=EventId("e-1"), event=event, service="s", at=at, caused_by=EventId("e-0"))
    sparse = RecordedEvent(event_id=EventId("e-1"), event=event, service="s", at=at, caused_by=None)

    assert (
        dict(to_message(ORDER_EVENTS.write(whole), "00-1-1-01", "eu-1").headers).keys()
        == CLOUD_EVENT["properties"].keys()
    )
    assert dict(to_message(ORDER_EVENTS.write(sparse), None).headers).keys() >= set(CLOUD_EVENT["required"])


def test_the_headers_of_a_bridge_are_documented() -> None:
    event = OutgoingEvent(topic="t", key="o-1", type="order.confirmed", source="s", data={}, id="e-1", caused_by="e-0")

    _, headers = _binary(event)

    assert set(CLOUD_EVENT["required"]) <= dict(headers).keys() <= CLOUD_EVENT["properties"].keys()


def test_the_documented_headers_are_those_of_a_dead_letter() -> None:
    topic = DeadLetterTopic(KafkaConnection(bootstrap="nowhere:1").producer, group="payment-service")

    story = dict(topic.story(MESSAGE.to_record(), ValueError("no"), 1))

    assert story.keys() == set(DEAD_LETTER["required"])
    assert DEAD_LETTER["properties"].keys() - story.keys() == {"dead_letter_omitted_bytes"}


def test_every_topic_is_a_channel() -> None:
    assert DOCUMENT["channels"].keys() == set(ALL_TOPICS)


def test_every_reference_in_the_document_can_be_resolved() -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT))

    assert references
    for reference in references:
        file, _, pointer = reference.partition("#")
        if file:
            assert Path(EVENTS, file) in GENERATED
            continue
        found = DOCUMENT
        for key in pointer.strip("/").split("/"):
            found = found[key]


def received_by(process: str) -> set[tuple[str, str]]:
    """Topics and names of messages."""
    return {
        (operation["channel"]["$ref"].rpartition("/")[2], message["$ref"].rpartition("/")[2])
        for operation in DOCUMENT["operations"].values()
        if operation["tags"] == [{"name": process}] and operation["action"] == "receive"
        for message in operation["messages"]
    }


@pytest.mark.parametrize("service", ROUTING)
def test_a_service_receives_the_events_of_its_policies(service: str) -> None:
    received = received_by(service)

    assert {topic for topic, _ in received} == set(topics_read_by(service))
    assert {tag for topic, tag in received if not is_dead_letters(topic)} == {
        tag_of(event) for event in ROUTING[service]
    }


def test_those_who_mail_receive_the_ends_of_orders_of_both_styles() -> None:
    assert received_by(serve_order_mails.GROUP) == set(product(serve_order_mails.TOPICS, OUTCOME_TYPES))


def test_only_the_saga_worker_sends_the_outcomes_of_orchestrated_orders() -> None:
    to_outcomes = [name for name in DOCUMENT["operations"] if name.endswith(".send.saga-outcomes")]

    assert to_outcomes == ["saga-worker.send.saga-outcomes"]


def test_every_event_of_the_saga_is_sent_by_one_process() -> None:
    senders: dict[str, set[str]] = {}
    for name, operation in DOCUMENT["operations"].items():
        if operation["action"] == "send" and "saga-outcomes" not in name:
            for message in operation["messages"]:
                senders.setdefault(message["$ref"].rpartition("/")[2], set()).add(name.partition(".")[0])

    assert senders["order.cancellation_requested"] == {"order-service"}
    assert senders["payment.settled"] == {"api"}
    assert senders["shipping.scheduled"] == {"shipping-service"}
    assert senders.keys() >= {tag_of(event) for event in get_args(Event)}


def test_the_page_shows_the_picture_and_the_table() -> None:
    page = (ROOT / "docs" / "choreography.md").read_text()
    assert f"```mermaid\n{picture_of_the_choreography()}```" in page
    assert table_of_the_policies() in page


def test_the_picture_and_the_table_are_complete() -> None:
    picture, table = picture_of_the_choreography(), table_of_the_policies()
    for policies in (*ROUTING.values(), *OUT_OF_ATTEMPTS.values()):
        for policy in policies.values():
            assert policy.__name__ in table
    for service, policies in ROUTING.items():
        for event in policies:
            assert f"    {tag_of(event).replace('.', '-')} --> {service}\n" in picture
    assert picture.count(" --> ") == len(get_args(Event)) + sum(map(len, ROUTING.values()))
