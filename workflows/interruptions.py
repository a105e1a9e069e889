"""Cancellation and the order's deadline: what they may interrupt, and what must finish."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from domain.order import Reason
from workflows.options import ORDER_DEADLINE

T = TypeVar("T")


async def await_decision(story: asyncio.Task[Reason | None], slow: asyncio.Task[None]) -> Reason | None:
    """Return why the order must be undone, or None: what the story decided, or what interrupted it.

    A decision made before the interruption stands. The deadline's timer starts when `slow` is done, so that a quick
    order has none.
    """
    timed_out = False
    try:
        await _await_until_deadline(story, slow)
    except (TimeoutError, asyncio.CancelledError) as interruption:
        timed_out = isinstance(interruption, TimeoutError)
        # The same activation may carry the result that completes the story: deliver it before cancelling the story.
        await shielded(drain_activation())
        story.cancel()
    (decision,) = await shielded(asyncio.gather(story, return_exceptions=True))
    match decision:
        case asyncio.CancelledError() | ActivityError():
            cancelled = is_cancelled_exception(decision) and not timed_out
            return Reason.CANCELLED_BY_CUSTOMER if cancelled else Reason.TIMED_OUT
        case BaseException():
            raise decision
    return decision


async def _await_until_deadline(story: asyncio.Task[Reason | None], slow: asyncio.Task[None]) -> None:
    """Raises TimeoutError at the order's deadline."""
    deadline = workflow.now() + ORDER_DEADLINE
    await workflow.wait_condition(lambda: story.done() or slow.done())
    if not story.done():
        left = deadline - workflow.now()  # `slow` may end late: no worker may have run meanwhile
        await workflow.wait_condition(story.done, timeout=left, timeout_summary="the order's deadline")


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
