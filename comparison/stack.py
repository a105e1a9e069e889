"""The stack that a comparison plays on: its processes, databases, topics and counters."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from domain.order import SagaStyle
from services.names import DATABASE_OF, SERVICES

T = TypeVar("T")

SERVICE_DATABASES = tuple(DATABASE_OF.values())
ENGINE_DATABASE = "temporal"
PROCESSES_OF: Mapping[SagaStyle, tuple[str, ...]] = {
    SagaStyle.ORCHESTRATED: ("temporal", "saga-worker", "api", "redis"),
    SagaStyle.CHOREOGRAPHED: ("kafka", *SERVICES, "api", "redis"),
}
"""The processes that an installation of this style alone would need."""

SAGA_PROCESSES = tuple(dict.fromkeys(name for names in PROCESSES_OF.values() for name in names))
"""The processes of both styles, and none that would compete with them for the processor."""

POLL_S = 0.2
EQUAL_READINGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters that only grow: CPU seconds by process, writing commits by database, Kafka records by topic.

    `at` is in seconds of a monotonic clock. A counter that could not be read is missing from its mapping.
    """

    at: float
    pids: Mapping[str, int]
    cpu: Mapping[str, float]
    commits: Mapping[str, int]
    records: Mapping[str, int]


async def wait_until_idle(
    read: Callable[[], Awaitable[T]], unchanged: Callable[[T, T], bool], *, within_s: float
) -> tuple[T, bool]:
    """Poll until two readings in a row equal the one before them.

    Returns:
        The first of the equal readings, so that its time is the end of the work, and True; after `within_s` seconds
        without such a pause the last change that was seen, and False.
    """
    first, equal = await read(), 0
    for _ in range(int(within_s / POLL_S)):
        await asyncio.sleep(POLL_S)
        reading = await read()
        if not unchanged(first, reading):
            first, equal = reading, 0
            continue
        equal += 1
        if equal == EQUAL_READINGS:
            return first, True
    return first, False
