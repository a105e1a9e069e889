"""Repeats work with a fixed number of calls in flight: each worker begins its next call when its last one has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.errors import first_of

T = TypeVar("T")

BLOCK_DEADLINE_S = 600.0


class BenchmarkFailed(Exception):
    """Something did not end as it must, so the figure cannot be measured. The text says what."""


async def repeated(work: Callable[[int], Awaitable[T]], times: int, *, in_flight: int, what: str) -> list[T]:
    """Call `work` with 0, 1, ...; return the results as calls ended. Raises BenchmarkFailed: one failed or was late."""
    numbers, results = iter(range(times)), list[T]()

    async def worker() -> None:
        # All workers share one iterator: whichever is free takes the next number.
        for number in numbers:
            results.append(await work(number))

    try:
        async with asyncio.timeout(BLOCK_DEADLINE_S), asyncio.TaskGroup() as workers:
            for _ in range(min(in_flight, times)):
                workers.create_task(worker())
    except TimeoutError as late:
        raise BenchmarkFailed(f"{what}: only {len(results)} of {times} ended within {BLOCK_DEADLINE_S:.0f} s") from late
    except ExceptionGroup as failures:
        first = first_of(failures)
        raise first if isinstance(first, BenchmarkFailed) else BenchmarkFailed(f"{what}: {first!r}") from failures
    return results
