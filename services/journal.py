"""What one service's database tells about an order: how far its steps came, and what it recorded."""

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
    """Read both in one transaction, so that they tell of the same moment."""
    with units.look() as unit:
        return Journal(steps=tuple(unit.steps_of(order_id)), events=tuple(unit.events_of(order_id)))
