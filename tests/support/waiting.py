"""Wait for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


DEADLINE_S = 60.0
"""Far longer than any wait takes on an idle machine: tests run side by side, and other programs may run too."""
LONGEST_PAUSE_S = 0.1


def eventually(look: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S, every_s: float = 0.02) -> T:
    """Call `look` until it returns neither None nor False, and return that.

    The pause between calls grows from `every_s`: polling the API 50 times a second would take half a core from the
    system that is waited for. Raises AssertionError with `what` when the deadline passes first.
    """
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end:
            message = f"not within {deadline_s:.0f} s: {what}"
            raise AssertionError(message)
        time.sleep(every_s)
        every_s = max(every_s, min(1.2 * every_s, LONGEST_PAUSE_S))


async def soon(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], deadline_s: float = DEADLINE_S) -> T:
    """Call `look` until `wanted` accepts its result, and return that. The error names the last result."""
    end = time.monotonic() + deadline_s
    while True:
        found = await look()
        if wanted(found):
            return found
        assert time.monotonic() < end, f"not within {deadline_s} s; at last {found!r}"
        await asyncio.sleep(0.05)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what it waits for sets no event
            await asyncio.sleep(0.01)
