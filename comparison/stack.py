"""What a comparison needs from the stack that it plays on, beside the HTTP API."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from domain.ids import OrderId
from domain.order import SagaStyle
from services.names import DATABASE_OF, GATEWAY, SERVICES

T = TypeVar("T")

SAGA_TOPICS = ("orders", "payments", "inventory", "shipping")
SERVICE_DATABASES = tuple(DATABASE_OF.values())
GATEWAY_DATABASE, ENGINE_DATABASE = GATEWAY, "temporal"
PROCESSES_OF: Mapping[SagaStyle, tuple[str, ...]] = {
    SagaStyle.ORCHESTRATED: ("temporal", "saga-worker", "api", "redis"),
    SagaStyle.CHOREOGRAPHED: ("kafka", *SERVICES, "api", "redis"),
}
"""The processes that an installation of this style alone would need."""

SAGA_PROCESSES = tuple(dict.fromkeys(name for names in PROCESSES_OF.values() for name in names))
"""The processes of both styles, and none that would compete with them for the processor."""

POLL_S = 0.2
EQUAL_READINGS = 2


class StackControl(Protocol):
    """Breaks a running stack on purpose. The supervisor restarts a process that was killed."""

    async def kill(self, process: str) -> datetime:
        """Send SIGKILL and wait until the process is gone. Return the time of the signal."""
        ...

    async def wait_until_restarted(self) -> None:
        """Wait until every killed process has been restarted and answers."""
        ...

    def suspended(self, process: str) -> AbstractAsyncContextManager[None]:
        """Send SIGSTOP, and SIGCONT at the end of the block unless the process was killed in it."""
        ...

    def write_locked(self, database: str) -> AbstractAsyncContextManager[None]:
        """Hold the write lock of a database: writers wait until their own timeout, readers are not affected."""
        ...

    async def redeliver(self, style: SagaStyle, order_ids: Sequence[OrderId]) -> None:
        """Deliver the engine's input for these orders again: each event, or each start of a saga."""
        ...


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


class Meter(Protocol):
    async def read(self) -> Reading: ...

    async def history_events(self, order_id: OrderId) -> int:
        """Events in the history of the order's saga workflow; 0 if it has no workflow."""
        ...


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
