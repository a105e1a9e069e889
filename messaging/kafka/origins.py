"""Checks where an event of ours comes from: its type fixes its topic and its source, and its installation is this one.

A restored backup, or the relay of another environment that was given this broker, would otherwise charge cards for
orders that do not exist here. The broker's access control decides who may write at all.
"""

from messaging.kafka.cloudevents import INSTALLATION, NotACloudEvent, source_of
from messaging.kafka.connection import Headers
from messaging.kafka.dead_letters import story_of
from messaging.kafka.message import IncomingMessage
from messaging.kafka.topics import SETTLED, publisher_of, topic_of

WITNESS_ASKED = "order.cancellation_requested"
WITNESS = source_of("witness")
"""Published that event until the Order service did it on the witness's request. Topics may still contain some."""


class Misplaced(NotACloudEvent):
    """The event belongs into another topic, was published by another source, or is of another installation."""


def refuse_misplaced(topic: str, headers: Headers, installation: str) -> str | None:
    """Return the event's type, from the headers alone; None if no service of ours publishes events of this type.

    Raises Misplaced.
    """
    found = dict(headers)
    event_type, source, origin = (
        found.get(name, b"").decode(errors="replace") for name in ("ce_type", "ce_source", INSTALLATION)
    )
    publisher = publisher_of(event_type)
    if publisher is None and event_type != SETTLED:
        return None
    if publisher is None or topic_of(event_type) != topic:
        raise Misplaced(f"{event_type[:100]} does not belong into {topic}")
    if source != source_of(publisher) and (event_type, source) != (WITNESS_ASKED, WITNESS):
        raise Misplaced(f"{source[:100]!r} does not publish {event_type[:100]}")
    if origin != installation:
        raise Misplaced(f"it is of the installation {origin[:100]!r}, and this one is {installation!r}")
    return event_type


def is_misplaced(letter: IncomingMessage, installation: str) -> bool:
    """Tell whether a dead letter is one because it was misplaced. It then says nothing about its order."""
    try:
        refuse_misplaced(story_of(letter.headers).get("topic", ""), letter.headers, installation)
    except Misplaced:
        return True
    return False
