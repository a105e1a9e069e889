"""The compensations of a saga, registered before their steps and run in reverse."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from temporalio.exceptions import ActivityError

from domain.ids import OrderId
from domain.order import Reason, Step
from workflows.saga_status import SagaStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """`order_undone`: the Order service refuses the confirmation from now on, so an earlier run cannot confirm.

    `asked_by_operator`: the compensation kept failing, and an operator asked for a retry.
    """

    order_id: OrderId
    reason: Reason
    order_undone: bool
    asked_by_operator: bool = False


@dataclass(frozen=True, slots=True)
class Compensation:
    """`undo` checks whether its step had an effect. It raises ActivityError when it is out of attempts."""

    step: Step
    undo: Callable[[Undoing], Awaitable[object]]


WaitForOperator = Callable[[Step, Reason, ActivityError], Awaitable[None]]
"""Returns when the compensation is to be retried."""


class Compensations:
    def __init__(self, status: SagaStatus, wait_for_operator: WaitForOperator) -> None:
        self._status = status
        self._wait_for_operator = wait_for_operator
        self._registered: list[Compensation] = []

    def register(self, compensation: Compensation) -> None:
        """Call it before the step: a lost answer may hide a real effect. A registered step stays where it is."""
        if compensation.step not in {registered.step for registered in self._registered}:
            self._registered.append(compensation)

    def forget(self, step: Step) -> None:
        """Drop the compensation of a refused step, and of every step after it: none of them had an effect."""
        while self._registered.pop().step is not step:
            pass

    async def run(self, undoing: Undoing) -> None:
        """Undo everything, newest first. A compensation that keeps failing waits for an operator, then is retried."""
        asked_by_operator = False
        while self._registered:
            last = self._registered[-1]
            self._status.running(last.step)
            try:
                await last.undo(replace(undoing, asked_by_operator=asked_by_operator))
            except ActivityError as error:
                await self._wait_for_operator(last.step, undoing.reason, error)
                asked_by_operator = True
            else:
                self._registered.pop()
                self._status.done(last.step)
                asked_by_operator = False
