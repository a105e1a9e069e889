"""The headers of our Kafka messages, for the documents. A test compares them with what is sent."""

from collections.abc import Mapping

from event_catalog.schemas import Schema
from twinsaga_bridges.kafka.dead_letter_topic import PREFIX

TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_ALWAYS = ("ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time", "ce_partitionkey", "content-type")

CLOUD_EVENT: Schema = {
    "type": "object",
    "description": "CloudEvents 1.0, binary content mode: the attributes are headers, the value is the data.",
    "required": list(_ALWAYS),
    "properties": {
        "ce_id": {
            "type": "string",
            "description": "Derived from order id and event type, so that a repetition has the same id.",
        },
        "ce_source": {"type": "string", "description": "The publisher, such as /twinsaga/payment-service."},
        "ce_type": {"type": "string"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When the event was recorded."},
        "ce_subject": {"type": "string", "description": "The order's id."},
        "ce_partitionkey": {"type": "string", "description": "The order's id, which is also the message's key."},
        "ce_causationid": {"type": "string", "description": "The id of the event that caused this one."},
        "ce_installation": {
            "type": "string",
            "description": "TWINSAGA_INSTALLATION of the publisher, if set. Services refuse events of another one.",
        },
        "ce_traceparent": {"type": "string", "pattern": TRACEPARENT, "description": "W3C Trace Context."},
        "content-type": {"type": "string", "const": "application/json"},
    },
}

_STORY: Mapping[str, str] = {
    "topic": "The topic of the original message.",
    "partition": "Its partition.",
    "offset": "Its offset.",
    "timestamp": "Its timestamp, in milliseconds since 1970.",
    "group": "The consumer group that gave it up.",
    "error": "The class of the last error.",
    "message": "The text of the last error.",
    "attempts": "The number of attempts.",
}

DEAD_LETTER: Schema = {
    "type": "object",
    "description": "The headers of the original message, which may be any, and these.",
    "required": [f"{PREFIX}{name}" for name in _STORY],
    "properties": {f"{PREFIX}{name}": {"type": "string", "description": text} for name, text in _STORY.items()}
    | {
        f"{PREFIX}omitted_bytes": {
            "type": "string",
            "description": "The length of the original value, which is left out if it is too large with these headers.",
        }
    },
}


def of_type(event_type: str) -> Schema:
    """The headers of a CloudEvent of one type."""
    return {
        "allOf": [
            {"$ref": "#/components/schemas/CloudEvent"},
            {"type": "object", "properties": {"ce_type": {"const": event_type}}},
        ]
    }
