"""A compensation that keeps failing waits for an operator; the saga's record, the search and the UI show it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from sagas.compensations import U
from sagas.status import NEEDS_ATTENTION, PENDING, S, SagaStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedUndo(Generic[S, U]):
    step: S
    undoing: U
    error: str


Show = Callable[[FailedUndo[S, U] | None], Awaitable[object]]
"""Records which compensation fails; None: an operator asked for a retry. It must be retried until it succeeds."""


class AttentionOfOperator(Generic[S, U]):
    def __init__(self, status: SagaStatus[S], show: Show[S, U]) -> None:
        self._status = status
        self._show = show
        self._needed = False

    async def wait(self, step: S, undoing: U, error: ActivityError) -> None:
        """Show which compensation fails, since when and why; return when an operator asks for a retry."""
        why = f"{step} keeps failing since {workflow.now():%Y-%m-%d %H:%M:%S} UTC: {error.cause}"
        self._status.failing(step, str(error.cause))
        self._status.show(NEEDS_ATTENTION, step, f"{why}\n\n`retry_compensation` continues here.")
        self._needed = True
        await self._show(FailedUndo(step=step, undoing=undoing, error=str(error.cause)))
        await workflow.wait_condition(lambda: not self._needed)
        await self._show(None)
        self._status.show(PENDING, step, f"An operator asked for {step} again.")

    def give(self) -> None:
        self._needed = False

    def refuse_unless_needed(self) -> None:
        """Raises ApplicationError."""
        if not self._needed:
            raise ApplicationError("no compensation waits for an operator", type="NothingToRetry")
