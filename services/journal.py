"""The journal of one order in one service: the attempts of its steps and the events that it recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.events import RecordedEvent
from domain.ids import OrderId
from services.unit_of_work import StepRecord, UnitsOfWork

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    steps: Sequence[StepRecord]
    events: Sequence[RecordedEvent]


class JournalledService(Generic[S]):
    def __init__(self, units: UnitsOfWork[S]) -> None:
        self._units = units

    def journal(self, order_id: OrderId) -> Journal:
        # One transaction, so that steps and events are of the same instant.
        with self._units.look() as unit:
            return Journal(steps=tuple(unit.steps_of(order_id)), events=tuple(unit.events_of(order_id)))
