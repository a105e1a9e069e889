"""An event is a frozen dataclass with a tag and, somewhere in it, the key of its subject."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from messaging.ids import EventId


class Event(Protocol):
    @property
    def type(self) -> str:
        """The tag, a field with one value: `type: Literal["flight.booked"] = "flight.booked"`."""
        ...


E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent(Generic[E_co]):
    """An event in a service's event log. `at` is the time of recording, `caused_by` the event that led to it."""

    event_id: EventId
    event: E_co
    service: str
    at: datetime
    caused_by: EventId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenEvent:
    """The same as event log and broker keep it: `data` is its JSON, `key` the correlation key."""

    event_id: EventId
    key: str
    type: str
    data: str
    service: str
    at: datetime
    caused_by: EventId | None
