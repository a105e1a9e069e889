"""Whether a saga goes forward or is undone: its steps decide, unless a cancel or the deadline comes first."""

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from sagas.status import S, SagaStatus

E = TypeVar("E")
R = TypeVar("R")
T = TypeVar("T")

Story = Coroutine[Any, Any, R | None]
"""The steps up to the pivot. It returns why the saga must be undone, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruptions(Generic[R]):
    """Why a saga is undone that was cancelled, or that is undecided at its deadline, which counts from its start."""

    cancelled: R
    timed_out: R
    deadline: timedelta


class Decision(Generic[R]):
    def __init__(self, interruptions: Interruptions[R]) -> None:
        self._interruptions = interruptions
        self._story: asyncio.Task[R | None] | None = None
        self._cancel_asked = self._past_pivot = self._made = False

    @property
    def cancel_asked(self) -> bool:
        """Whether `cancel` was called. Temporal's own cancel does not call it."""
        return self._cancel_asked

    async def reach(self, story: Story[R], slow: Coroutine[Any, Any, None]) -> R | None:
        """Return why the saga must be undone, or None: what the story decided, or what interrupted it.

        A decision made before the interruption stands. The deadline's timer starts when `slow` is done, so that a quick
        saga has none.
        """
        turning_slow = asyncio.create_task(slow)
        self._story = asyncio.create_task(story)
        if self._cancel_asked:
            self._story.cancel()
        return await self._await_decision(self._story, turning_slow)

    def pass_pivot(self) -> None:
        """From now on a cancel is refused, before the decision is made."""
        self._past_pivot = True

    def make(self, why_undo: R | None) -> None:
        """The decision is final: it answers every cancel."""
        self._past_pivot = why_undo is None
        self._made = True

    async def cancel(self) -> None:
        """Interrupt the story. Repeatable. Returns once it is decided whether the cancel came in time."""
        self._cancel_asked = True
        if self._story is not None:
            self._story.cancel()
        await workflow.wait_condition(lambda: self._made)

    def refuse_cancel_past_pivot(self, why: str) -> None:
        """Raises ApplicationError."""
        if self._past_pivot:
            raise ApplicationError(why, type="TooLate")

    async def _await_decision(self, story: asyncio.Task[R | None], slow: asyncio.Task[None]) -> R | None:
        timed_out = False
        try:
            await self._await_until_deadline(story, slow)
        except (TimeoutError, asyncio.CancelledError) as interruption:
            timed_out = isinstance(interruption, TimeoutError)
            # The same activation may carry the result that completes the story: deliver it before cancelling the story.
            await shielded(drain_activation())
            story.cancel()
        (decision,) = await shielded(asyncio.gather(story, return_exceptions=True))
        match decision:
            case asyncio.CancelledError() | ActivityError():
                cancelled = is_cancelled_exception(decision) and not timed_out
                return self._interruptions.cancelled if cancelled else self._interruptions.timed_out
            case BaseException():
                raise decision
        return decision

    async def _await_until_deadline(self, story: asyncio.Task[R | None], slow: asyncio.Task[None]) -> None:
        """Raises TimeoutError at the deadline."""
        deadline = workflow.now() + self._interruptions.deadline
        await workflow.wait_condition(lambda: story.done() or slow.done())
        if not story.done():
            left = deadline - workflow.now()  # `slow` may end late: no worker may have run meanwhile
            await workflow.wait_condition(story.done, timeout=left, timeout_summary="the deadline")


async def take_step(
    status: SagaStatus[S], step: S, work: Awaitable[E], *, refusals: tuple[type, ...], pivot: bool = False
) -> E:
    """Await a step's answer, and show how it went. A cancel that came meanwhile interrupts, except past the pivot."""
    status.running(step)
    answer = await work
    if isinstance(answer, refusals):
        status.refused(step)
        return answer
    status.done(step)
    if not pivot:
        raise_if_cancelled()
    return answer


async def drain_activation() -> None:
    """Let every coroutine process this activation first."""
    await workflow.wait_condition(lambda: True)  # the SDK checks conditions when no coroutine is ready


async def shielded(work: Awaitable[T]) -> T:
    """Await the work to its end, ignoring cancellations of the caller."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


def raise_if_cancelled() -> None:
    """Call it after an activity: one that completes while it is being cancelled hides the cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
