"""Merges the event logs of four services into one timeline: each event after its cause, otherwise by time.

The clocks of the services differ, so that time alone could show an effect before its cause.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.main import IncEx

from api.schemas.order_views import Timeline, TimelineEvent
from domain.events import Event
from messaging.events import RecordedEvent
from messaging.ids import EventId

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
_SEALED: dict[str, IncEx | bool] = {"payment": {"token"}, "shipping_address": True}
_LEFT_OUT: dict[str, IncEx | bool] = {"type": True, "order": _SEALED, "request": _SEALED}
"""The type is a field of its own. The card token and the address are for one service each, also sealed."""


def timeline_of(recorded: Iterable[RecordedEvent[Event]]) -> Timeline:
    return Timeline(events=[_shown(event) for event in in_causal_order(tuple(recorded))])


def in_causal_order(recorded: Sequence[RecordedEvent[Event]]) -> list[RecordedEvent[Event]]:
    """Sort the events topologically. A cause that is in none of the logs is ignored."""
    known = {event.event_id for event in recorded}
    effects: dict[EventId, list[RecordedEvent[Event]]] = defaultdict(list)
    ready: list[tuple[Any, str, RecordedEvent[Event]]] = []
    for event in recorded:
        if event.caused_by in known and event.caused_by is not None:
            effects[event.caused_by].append(event)
        else:
            heappush(ready, (event.at, event.event_id, event))
    ordered: list[RecordedEvent[Event]] = []
    while ready:
        _, _, event = heappop(ready)
        ordered.append(event)
        for effect in effects.pop(event.event_id, ()):
            heappush(ready, (effect.at, effect.event_id, effect))
    return ordered


def _shown(recorded: RecordedEvent[Event]) -> TimelineEvent:
    data = cast("dict[str, Any]", _EVENTS.dump_python(recorded.event, mode="json", exclude=_LEFT_OUT))
    return TimelineEvent(
        event_id=recorded.event_id,
        type=recorded.event.type,
        service=recorded.service,
        at=recorded.at,
        caused_by=recorded.caused_by,
        data=data,
    )
