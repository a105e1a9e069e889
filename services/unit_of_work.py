"""What a service needs of its database: its store, the journal of its steps and its event log, under one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, TypeVar

from domain.events import Event, RecordedEvent
from domain.ids import OrderId
from domain.order import Step

S_co = TypeVar("S_co", covariant=True)


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, aware, in UTC."""
        ...


class StepStatus(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    WAITING = "waiting"
    RETRYING = "retrying"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """How far a step of one order came. `attempts` counts the times that it was tried; `at` is the last of them."""

    step: Step
    status: StepStatus
    attempts: int
    last_error: str | None
    at: datetime


class UnitOfWork(Protocol[S_co]):
    """One transaction. Leaving the block without `commit()` undoes all of it."""

    @property
    def store(self) -> S_co: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def record(self, event: Event) -> None:
        """Put the event in the event log. An event that the log already holds changes nothing."""
        ...

    def tried(self, order_id: OrderId, step: Step, status: StepStatus, *, error: str | None = None) -> None:
        """Count one more attempt of the step. An error stays readable until a later attempt replaces it."""
        ...

    def steps_of(self, order_id: OrderId) -> Sequence[StepRecord]: ...

    def events_of(self, order_id: OrderId) -> Sequence[RecordedEvent]: ...

    def commit(self) -> None: ...


class UnitsOfWork(Protocol[S_co]):
    """Opens transactions on one service's database."""

    def begin(self) -> UnitOfWork[S_co]:
        """Open a unit that may write. Two of them that touch the same rows run one after the other."""
        ...

    def look(self) -> UnitOfWork[S_co]:
        """Open a unit that only reads. It neither waits for a writer nor makes one wait."""
        ...
