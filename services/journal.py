"""The journal of one order in one service: the attempts of its steps and the events that it recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.events import Event
from domain.ids import OrderId
from domain.order import Step
from messaging.events import RecordedEvent
from messaging.unit_of_work import StepRecord, UnitsOfWork

_STEP_ORDER: Mapping[str, int] = {step: place for place, step in enumerate(Step)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """`steps` are in the order of the saga."""

    steps: Sequence[StepRecord]
    events: Sequence[RecordedEvent[Event]]


def read_journal(units: UnitsOfWork[object, Event], order_id: OrderId) -> Journal:
    # One transaction, so that steps and events are of the same instant.
    with units.look() as unit:
        steps = sorted(unit.steps_of(order_id), key=lambda record: _STEP_ORDER[record.step])
        return Journal(steps=tuple(steps), events=tuple(unit.events_of(order_id)))
