"""Checks where an event of ours comes from: its type fixes its topic and its source, and its installation is this one.

A restored backup, or the relay of another environment that was given this broker, would otherwise make services act
on something that does not exist here. The broker's access control decides who may write at all.
"""

from typing import Any

from messaging.kafka.cloudevents import INSTALLATION, NotACloudEvent, source_of
from messaging.kafka.connection import Headers
from messaging.kafka.dead_letters import story_of
from messaging.kafka.message import IncomingMessage
from messaging.vocabulary import Vocabulary


class Misplaced(NotACloudEvent):
    """The event belongs into another topic, was published by another source, or is of another installation."""


def refuse_misplaced(vocabulary: Vocabulary[Any], topic: str, headers: Headers, installation: str) -> str | None:
    """Return the event's type, from the headers alone; None if no service of ours publishes events of this type.

    Raises Misplaced.
    """
    found = dict(headers)
    event_type, source, origin = (
        found.get(name, b"").decode(errors="replace") for name in ("ce_type", "ce_source", INSTALLATION)
    )
    publisher, former = vocabulary.publisher_of(event_type), vocabulary.formerly_by.get(event_type)
    if publisher is None and event_type not in vocabulary.from_outside:
        return None
    if publisher is None or vocabulary.topic_of(event_type) != topic:
        raise Misplaced(f"{event_type[:100]} does not belong into {topic}")
    if source != source_of(publisher) and (former is None or source != source_of(former)):
        raise Misplaced(f"{source[:100]!r} does not publish {event_type[:100]}")
    if origin != installation:
        raise Misplaced(f"it is of the installation {origin[:100]!r}, and this one is {installation!r}")
    return event_type


def is_misplaced(vocabulary: Vocabulary[Any], letter: IncomingMessage, installation: str) -> bool:
    """Tell whether a dead letter is one because it was misplaced. It then says nothing about its key."""
    try:
        refuse_misplaced(vocabulary, story_of(letter.headers).get("topic", ""), letter.headers, installation)
    except Misplaced:
        return True
    return False
