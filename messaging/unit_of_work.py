"""The unit of work: a service's store, the journal of its steps and its event log, under one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, TypeVar

from messaging.events import E, RecordedEvent

S_co = TypeVar("S_co", covariant=True)


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the current time as an aware datetime in UTC."""
        ...


class StepStatus(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    WAITING = "waiting"
    RETRYING = "retrying"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """The state of one step for one key. `attempts` counts all attempts; `at` is the time of the last one."""

    step: str
    status: StepStatus
    attempts: int
    last_error: str | None
    at: datetime


class UnitOfWork(Protocol[S_co, E]):
    """One transaction. Leaving the block without `commit()` undoes all of it.

    State and event share it, so that neither exists without the other: a lost event would stop the choreography, and
    an event without its state would make other services act on something that never happened.
    """

    @property
    def store(self) -> S_co: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def record(self, event: E) -> None:
        """Write the event to the event log. Repeatable: the event id is derived from the key and the event type."""
        ...

    def tried(self, key: str, step: str, status: StepStatus, *, error: str | None = None) -> None:
        """Count one more attempt of the step. The error of an attempt is kept until another error replaces it."""
        ...

    def steps_of(self, key: str) -> Sequence[StepRecord]: ...

    def events_of(self, key: str) -> Sequence[RecordedEvent[E]]: ...

    def commit(self) -> None: ...


class UnitsOfWork(Protocol[S_co, E]):
    """Opens transactions on one service's database."""

    def begin(self) -> UnitOfWork[S_co, E]:
        """Open a unit that may write. It locks the rows that it finds, so units on the same key run one by one."""
        ...

    def look(self) -> UnitOfWork[S_co, E]:
        """Open a unit that only reads. It blocks no writer, and no writer blocks it."""
        ...
