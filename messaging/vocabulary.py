"""The events of one saga: how each is written, what it is about, which service publishes it, and in which topic.

The `type` tag alone decides which event it is: two types may have equal fields. Unknown fields are ignored, at any
depth, so that a later version may add some.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any, Generic, NamedTuple, get_args
from uuid import UUID, uuid5

from pydantic import Field, TypeAdapter, ValidationError

from messaging.events import E, Event, RecordedEvent, WrittenEvent
from messaging.ids import EventId

_TAG_MISSING_FROM_UNION = "union_tag_invalid"


class UndecodableEvent(ValueError):
    """Not an event: not JSON, without a tag, or with missing or wrong fields."""


class UnknownEventType(UndecodableEvent):
    """An event of a type that this version does not know."""


class Publisher(NamedTuple):
    service: str
    topic: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary(Generic[E]):
    """Raises ValueError if one of the events has no topic.

    Args:
        union: the union of the event classes.
        entity: what the events are about, such as `trip`. Logs call the key `trip_id`, and spans `trip.id`.
        key_of: returns the correlation key of an event, a UUID. Messages of one key are handled in their order.
        publishers: by the first word of an event's type, such as `flight` for `flight.booked`.
        from_outside: types of events that no service of the saga publishes, with their topics.
        formerly_by: types that another publisher sent too, in an earlier version, with that publisher.
        namespace: event ids are derived in it, so it must never change.
    """

    union: object
    entity: str
    key_of: Callable[[E], str]
    publishers: Mapping[str, Publisher]
    namespace: UUID
    from_outside: Mapping[str, str] = field(default_factory=dict)
    formerly_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for event_type in self.types:
            if event_type not in self.from_outside and _first_word(event_type) not in self.publishers:
                raise ValueError(f"no service publishes {event_type}")

    @cached_property
    def types(self) -> frozenset[str]:
        return frozenset(map(tag_of, get_args(self.union)))

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The topics of the saga's own services."""
        return tuple(publisher.topic for publisher in self.publishers.values())

    def topic_of(self, event_type: str) -> str:
        if event_type in self.from_outside:
            return self.from_outside[event_type]
        return self.publishers[_first_word(event_type)].topic

    def publisher_of(self, event_type: str) -> str | None:
        """Return the service that publishes events of this type; None if none of the saga's does."""
        publisher = None if event_type in self.from_outside else self.publishers.get(_first_word(event_type))
        return publisher and publisher.service

    def event_id(self, key: str, event_type: str) -> EventId:
        """Derive the event id, so that a repeated step yields the event that it recorded before."""
        # Sufficient, because there is at most one event of each type for a key.
        return EventId(str(uuid5(self.namespace, f"{key}\n{event_type}")))

    def write(self, recorded: RecordedEvent[E]) -> WrittenEvent:
        return WrittenEvent(
            event_id=recorded.event_id,
            key=self.key_of(recorded.event),
            type=recorded.event.type,
            data=self.encode(recorded.event).decode(),
            service=recorded.service,
            at=recorded.at,
            caused_by=recorded.caused_by,
        )

    def read(self, written: WrittenEvent) -> RecordedEvent[E]:
        """Raises as `decode` does."""
        return RecordedEvent(
            event_id=written.event_id,
            event=self.decode(written.data),
            service=written.service,
            at=written.at,
            caused_by=written.caused_by,
        )

    def encode(self, event: E) -> bytes:
        return self._json.dump_json(event)

    def decode(self, data: bytes | str) -> E:
        """Raises UnknownEventType: the tag is not one of ours; UndecodableEvent: anything else is wrong."""
        try:
            event: E = self._json.validate_json(data)
        except ValidationError as error:
            kinds = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
            kind = UnknownEventType if _TAG_MISSING_FROM_UNION in kinds else UndecodableEvent
            raise kind(_without_input(error)) from error
        return event

    @cached_property
    def key_in_logs(self) -> str:
        return f"{self.entity}_id"

    @cached_property
    def key_in_spans(self) -> str:
        return f"{self.entity}.id"

    @cached_property
    def _json(self) -> TypeAdapter[Any]:
        # Built at first use, because building takes time that a process without decoding need not spend.
        union: Any = Annotated[self.union, Field(discriminator="type")]
        return TypeAdapter(union)


def tag_of(event: type[Event]) -> str:
    """The type that events of this class have on the wire, such as `flight.booked`."""
    return next(str(field.default) for field in fields(event) if field.name == "type")  # type: ignore[arg-type]  # a dataclass


def _first_word(event_type: str) -> str:
    return event_type.partition(".")[0]


def _without_input(error: ValidationError) -> str:
    """Name the error and its place, without the input, which may contain personal data."""
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in problems)
