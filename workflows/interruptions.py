"""What may cut a saga short, and what must not be cut short."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from domain.order import Reason
from workflows.options import ORDER_DEADLINE

T = TypeVar("T")


async def end_of(story: asyncio.Task[Reason | None], slow: asyncio.Task[None]) -> Reason | None:
    """Return why the order has to be undone, or None: what the story decided, or what cut it short.

    A story that had decided when the interruption came stands by its decision. The deadline's timer is started once
    `slow` is done, so that a quick order has none.
    """
    too_late = False
    try:
        await _waited_for(story, slow)
    except (TimeoutError, asyncio.CancelledError) as interruption:
        too_late = isinstance(interruption, TimeoutError)
        await shielded(drain_activation())
        story.cancel()
    (end,) = await shielded(asyncio.gather(story, return_exceptions=True))
    match end:
        case asyncio.CancelledError() | ActivityError():
            cancelled = is_cancelled_exception(end) and not too_late
            return Reason.CANCELLED_BY_CUSTOMER if cancelled else Reason.TIMED_OUT
        case BaseException():
            raise end
    return end


async def _waited_for(story: asyncio.Task[Reason | None], slow: asyncio.Task[None]) -> None:
    """Raises TimeoutError at the order's deadline."""
    deadline = workflow.now() + ORDER_DEADLINE
    await workflow.wait_condition(lambda: story.done() or slow.done())
    if not story.done():
        left = deadline - workflow.now()  # less than it might be, if no worker ran meanwhile
        await workflow.wait_condition(story.done, timeout=left, timeout_summary="the order's deadline")


async def drain_activation() -> None:
    """Wait until everybody has heard what Temporal told in one go, be it the answer that makes the story decide."""
    await workflow.wait_condition(lambda: True)  # conditions are looked at when nobody has anything left to do


async def shielded(work: Awaitable[T]) -> T:
    """Finish the work although we are cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


def raise_if_cancelled() -> None:
    """Call it after an activity: one that ends in the moment of its cancellation hides that there was one."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
