"""One timeline out of four event logs: no event before what caused it, and by time where nothing says otherwise.

The clocks of four services differ, so that time alone could show an effect before its cause.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.main import IncEx

from api.schemas.order_views import Timeline, TimelineEvent
from domain.events import Event, RecordedEvent
from domain.ids import EventId

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
_TOKEN: dict[str, IncEx | bool] = {"payment": {"token"}}
_NOT_TOLD: dict[str, IncEx | bool] = {"type": True, "order": _TOKEN, "request": _TOKEN}
"""The type stands beside the data, and a card's token is nobody's business who only looks."""


def timeline_of(recorded: Iterable[RecordedEvent]) -> Timeline:
    return Timeline(events=[_shown(event) for event in in_causal_order(tuple(recorded))])


def in_causal_order(recorded: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """Sort the events. A cause that none of the logs holds counts as told."""
    known = {event.event_id for event in recorded}
    effects: dict[EventId, list[RecordedEvent]] = defaultdict(list)
    ready: list[tuple[Any, str, RecordedEvent]] = []
    for event in recorded:
        if event.caused_by in known and event.caused_by is not None:
            effects[event.caused_by].append(event)
        else:
            heappush(ready, (event.at, event.event_id, event))
    told: list[RecordedEvent] = []
    while ready:
        _, _, event = heappop(ready)
        told.append(event)
        for effect in effects.pop(event.event_id, ()):
            heappush(ready, (effect.at, effect.event_id, effect))
    return told


def _shown(recorded: RecordedEvent) -> TimelineEvent:
    data = cast("dict[str, Any]", _EVENTS.dump_python(recorded.event, mode="json", exclude=_NOT_TOLD))
    return TimelineEvent(
        event_id=recorded.event_id,
        type=recorded.event.type,
        service=recorded.service,
        at=recorded.at,
        caused_by=recorded.caused_by,
        data=data,
    )
