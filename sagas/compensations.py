"""The compensations of a saga, registered before their steps and run in reverse."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from sagas.status import S, SagaStatus


class Undoing(Protocol):
    """A frozen dataclass of the saga: what its compensations need to know, such as its id and why it is undone.

    `asked_by_operator`: the compensation kept failing, and an operator asked for a retry.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def asked_by_operator(self) -> bool: ...


U = TypeVar("U", bound=Undoing)


@dataclass(frozen=True, slots=True)
class Compensation(Generic[S, U]):
    """`undo` checks whether its step had an effect. It raises ActivityError when it is out of attempts."""

    step: S
    undo: Callable[[U], Awaitable[object]]


WaitForOperator = Callable[[S, U, ActivityError], Awaitable[None]]
"""Returns when the compensation is to be retried."""


class Compensations(Generic[S, U]):
    def __init__(self, status: SagaStatus[S], wait_for_operator: WaitForOperator[S, U]) -> None:
        self._status = status
        self._wait_for_operator = wait_for_operator
        self._registered: list[Compensation[S, U]] = []

    def register(self, compensation: Compensation[S, U]) -> None:
        """Call it before the step: a lost answer may hide a real effect. A registered step stays where it is."""
        if compensation.step not in {registered.step for registered in self._registered}:
            self._registered.append(compensation)

    def forget(self, step: S) -> None:
        """Drop the compensation of a refused step, and of every step after it: none of them had an effect."""
        while self._registered.pop().step != step:
            pass

    async def run(self, undoing: U) -> None:
        """Undo everything, newest first. A compensation that keeps failing waits for an operator, then is retried.

        Shield it: a cancel must not stop what undoes the saga.
        """
        asked_by_operator = False
        while self._registered:
            last = self._registered[-1]
            self._status.running(last.step)
            try:
                await last.undo(replace(undoing, asked_by_operator=asked_by_operator))
            except ActivityError as error:
                await self._wait_for_operator(last.step, undoing, error)
                asked_by_operator = True
            else:
                self._registered.pop()
                self._status.done(last.step)
                asked_by_operator = False


def ran_before() -> bool:
    """Whether this run is a reset of an earlier one, which may have done any step."""
    info = workflow.info()
    return info.run_id != info.original_execution_run_id
