"""The AsyncAPI 3 document: all topics, their messages, and which process sends and receives what.

The receivers come from the routing of the choreography; the payloads from the schemas beside the document.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from choreography.picture import publisher_of
from choreography.routing import ROUTING
from domain.events import Event, OrderCancelled, OrderConfirmed
from event_catalog.headers import CLOUD_EVENT, DEAD_LETTER, of_type
from event_catalog.personal_data import OF_ORDER_REQUESTS, personal_data_in
from messaging.kafka.topics import dead_letters_of, is_dead_letters
from messaging.vocabulary import tag_of
from processes.choreography.service import topics_read_by
from runtime.kafka import ALL_TOPICS, INCOMING_TOPICS, OUTGOING_TOPICS
from services.vocabulary import ORDER_EVENTS, SETTLEMENTS, TOPICS

DIALECT = "application/schema+json;version=draft-2020-12"
API, BRIDGE, ORDER_MAILS, SAGA_WORKER = "api", "kafka-bridge", "order-mails", "saga-worker"
ORDER_REQUEST, DEAD_LETTER_NAME = "order-request", "dead-letter"

Json = Mapping[str, Any]

_TAGS = sorted(tag_of(event) for event in get_args(Event))
_ENDS = [tag_of(OrderCancelled), tag_of(OrderConfirmed)]
_PUBLISHERS = {ORDER_EVENTS.topic_of(tag_of(event)): publisher_of(event) for event in get_args(Event)}
_DESCRIPTIONS = {
    "order-requests": "Orders of a producer without CloudEvents, keyed by request id: a repetition is ignored.",
    SETTLEMENTS: "The payment gateway reports that a customer has paid.",
    "saga-outcomes": "The outcomes of orchestrated orders.",
}
_KEY = {"kafka": {"key": {"type": "string", "description": "The order's id."}, "bindingVersion": "0.5.0"}}


def asyncapi_document() -> Json:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "twinsaga",
            "version": "1.0.0",
            "description": "The events of the choreographed order saga, and the topics that connect the estate with the"
            " orchestrated one. Readers ignore unknown fields, and new fields are optional. `x-personal-data` names"
            " what a message may hold of a customer's card and address; if it is empty, the message holds none.",
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in sorted(ALL_TOPICS)},
        "operations": dict(sorted(_operations())),
        "components": {"messages": _messages(), "schemas": {"CloudEvent": CLOUD_EVENT, "DeadLetter": DEAD_LETTER}},
    }


def _channel(topic: str) -> Json:
    return {
        "address": topic,
        "description": _description_of(topic),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names_in(topic)},
    }


def _names_in(topic: str) -> Sequence[str]:
    if is_dead_letters(topic):
        return [DEAD_LETTER_NAME]
    others = {"order-requests": [ORDER_REQUEST], "saga-outcomes": _ENDS}
    return others.get(topic) or [tag for tag in _TAGS if ORDER_EVENTS.topic_of(tag) == topic]


def _description_of(topic: str) -> str:
    if is_dead_letters(topic):
        return f"Messages of {topic.rpartition('.')[0]} that could not be handled."
    return _DESCRIPTIONS.get(topic) or f"Events of the {_PUBLISHERS[topic]}, keyed by order id."


def _messages() -> Json:
    messages: dict[str, Json] = {
        tag: {
            "headers": of_type(tag),
            "payload": _file(tag),
            "contentType": "application/json",
            "bindings": _KEY,
            "x-personal-data": personal_data_in(tag),
        }
        for tag in _TAGS
    }
    messages[ORDER_REQUEST] = {"payload": _file(ORDER_REQUEST), "x-personal-data": OF_ORDER_REQUESTS}
    messages[DEAD_LETTER_NAME] = {
        "headers": {"$ref": "#/components/schemas/DeadLetter"},
        "payload": {"description": "The value of the original message, which may be anything."},
    }
    return {name: {"name": name, **message} for name, message in sorted(messages.items())}


def _file(name: str) -> Json:
    return {"schemaFormat": DIALECT, "schema": {"$ref": f"./{name}.json"}}


def _operations() -> Iterable[tuple[str, Json]]:
    for service in ROUTING:
        own = next(topic for topic, publisher in _PUBLISHERS.items() if publisher == service)
        yield _operation(service, "send", own, _names_in(own))
        for topic in topics_read_by(service):
            policies = {tag_of(event): policy.__name__ for event, policy in ROUTING[service].items()}
            read = [name for name in _names_in(topic) if name in policies or is_dead_letters(topic)]
            policies_here = "; ".join(f"{name}: {policies[name]}" for name in read if name in policies)
            yield _operation(service, "receive", topic, read, policies_here or "Marks orders that need attention.")
            if not is_dead_letters(topic):
                yield _operation(service, "send", dead_letters_of(topic), [DEAD_LETTER_NAME])
    for topic in TOPICS:
        yield _operation(BRIDGE, "receive", topic, _names_in(topic), "Signals the witness of the order.")
        letters = dead_letters_of(topic)
        yield _operation(
            BRIDGE, "receive", letters, _names_in(letters), "Signals the witness of an order that needs attention."
        )
    for topic in INCOMING_TOPICS:
        yield _operation(BRIDGE, "receive", topic, _names_in(topic), "Starts or signals the order's workflow.")
        yield _operation(BRIDGE, "send", dead_letters_of(topic), [DEAD_LETTER_NAME])
    for topic in OUTGOING_TOPICS:
        yield _operation(SAGA_WORKER, "send", topic, _names_in(topic), "At the end of each order.")
    for topic in ("orders", *OUTGOING_TOPICS):
        yield _operation(ORDER_MAILS, "receive", topic, _ENDS, "Mails the outcome to the customer.")
    yield _operation(API, "send", SETTLEMENTS, _names_in(SETTLEMENTS), "After the payment gateway's webhook call.")


def _operation(
    process: str, action: str, topic: str, messages: Sequence[str], description: str = ""
) -> tuple[str, Json]:
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "tags": [{"name": process}],
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages],
    }
    if description:
        operation["description"] = description
    if action == "receive":
        group = {"type": "string", "const": process}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": "0.5.0"}}
    return f"{process}.{action}.{topic}", operation
