"""Work that is repeated with a fixed number of it in flight."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from runtime.errors import first_of


class BenchmarkFailed(Exception):
    """Something did not come to the end that it must have. The text says what; the figure is not to be had."""


T = TypeVar("T")

BLOCK_DEADLINE_S = 600.0


async def repeated(work: Callable[[int], Awaitable[T]], times: int, *, in_flight: int, what: str) -> list[T]:
    """Call `work` with 0, 1, ...; return what came out, in the order of the ends.

    Raises:
        DidNotWork: one of them failed, or not all ended within BLOCK_DEADLINE_S.
    """
    numbers, found = iter(range(times)), list[T]()
    try:
        async with asyncio.timeout(BLOCK_DEADLINE_S), asyncio.TaskGroup() as workers:
            for _ in range(min(in_flight, times)):
                workers.create_task(_worked_off(numbers, work, found))
    except TimeoutError as late:
        raise BenchmarkFailed(f"{what}: only {len(found)} of {times} ended within {BLOCK_DEADLINE_S:.0f} s") from late
    except ExceptionGroup as failures:
        first = first_of(failures)
        raise first if isinstance(first, BenchmarkFailed) else BenchmarkFailed(f"{what}: {first!r}") from failures
    return found


async def _worked_off(numbers: Iterator[int], work: Callable[[int], Awaitable[T]], found: list[T]) -> None:
    for number in numbers:
        done = await work(number)
        found.append(done)
