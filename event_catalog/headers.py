"""The headers of our Kafka messages, for the documents. The tests hold them to what is really sent."""

from collections.abc import Mapping

from adapters.kafka.dead_letters import PREFIX
from event_catalog.schemas import Schema

TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_ALWAYS = ("ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time", "ce_partitionkey", "content-type")

CLOUD_EVENT: Schema = {
    "type": "object",
    "description": "CloudEvents 1.0, binary content mode: the attributes are headers, the value is the data.",
    "required": list(_ALWAYS),
    "properties": {
        "ce_id": {"type": "string", "description": "Derived from order and type: a repetition bears the same."},
        "ce_source": {"type": "string", "description": "Who speaks, such as /twinsaga/payment-service."},
        "ce_type": {"type": "string"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it was recorded."},
        "ce_subject": {"type": "string", "description": "The order's id."},
        "ce_partitionkey": {"type": "string", "description": "The order's id, which is the message's key too."},
        "ce_causationid": {"type": "string", "description": "The id of the event that this one is an answer to."},
        "ce_traceparent": {"type": "string", "pattern": TRACEPARENT, "description": "W3C Trace Context."},
        "content-type": {"type": "string", "const": "application/json"},
    },
}

_STORY: Mapping[str, str] = {
    "topic": "Where the message was.",
    "partition": "Its partition there.",
    "offset": "Its offset there.",
    "timestamp": "Its timestamp there, in milliseconds since 1970.",
    "group": "The consumer group that gave it up.",
    "error": "The class of the last error.",
    "message": "What the last error said.",
    "attempts": "How often it was tried.",
}

DEAD_LETTER: Schema = {
    "type": "object",
    "description": "The headers that the message had, whatever they were, and these.",
    "required": [f"{PREFIX}{name}" for name in _STORY],
    "properties": {f"{PREFIX}{name}": {"type": "string", "description": told} for name, told in _STORY.items()}
    | {
        f"{PREFIX}omitted_bytes": {
            "type": "string",
            "description": "How long the value was that is left out here, because with these headers it was too large.",
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
