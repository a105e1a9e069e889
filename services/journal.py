"""The journal of one order in one service: the attempts of its steps and the events that it recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.events import RecordedEvent
from domain.ids import OrderId
from services.unit_of_work import StepRecord, UnitsOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    steps: Sequence[StepRecord]
    events: Sequence[RecordedEvent]


def read_journal(units: UnitsOfWork[object], order_id: OrderId) -> Journal:
    # One transaction, so that steps and events are of the same instant.
    with units.look() as unit:
        return Journal(steps=tuple(unit.steps_of(order_id)), events=tuple(unit.events_of(order_id)))
