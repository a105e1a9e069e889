"""What the comparison asks of the stack that it plays on, beside its HTTP API."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import OrderId
from domain.order import SagaStyle
from services.names import DATABASE_OF, GATEWAY, SERVICES

SAGA_TOPICS = ("orders", "payments", "inventory", "shipping")
SERVICE_DATABASES = tuple(DATABASE_OF.values())
GATEWAY_DATABASE, ENGINE_DATABASE = GATEWAY, "temporal"
PROCESSES_OF: Mapping[SagaStyle, tuple[str, ...]] = {
    SagaStyle.ORCHESTRATED: ("temporal", "saga-worker", "api", "redis"),
    SagaStyle.CHOREOGRAPHED: ("kafka", *SERVICES, "api", "redis"),
}
"""What would have to run for this style alone."""


class StackControl(Protocol):
    """Breaks things. A process that was killed comes back by itself: its supervisor starts it again."""

    async def kill(self, process: str) -> datetime:
        """SIGKILL; return when that was, once the process is gone."""
        ...

    async def all_back(self) -> None:
        """Wait until everything that was killed has been started again and answers."""
        ...

    def frozen(self, process: str) -> AbstractAsyncContextManager[None]:
        """SIGSTOP, and at the end SIGCONT, unless it was killed meanwhile."""
        ...

    def held(self, database: str) -> AbstractAsyncContextManager[None]:
        """Nobody can write to the database, and whoever tries waits until its patience ends. Reading goes on."""
        ...

    async def repeat(self, style: SagaStyle, order_ids: Sequence[OrderId]) -> None:
        """Deliver again what the engine was told about the orders: each event, or each start of a saga."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters that only grow: CPU seconds by process, commits that wrote by database, Kafka records by topic.

    `at` is seconds on a monotonic clock. What is missing from a mapping could not be read.
    """

    at: float
    pids: Mapping[str, int]
    cpu: Mapping[str, float]
    commits: Mapping[str, int]
    records: Mapping[str, int]


class Meter(Protocol):
    async def read(self) -> Reading: ...

    async def history_events(self, order_id: OrderId) -> int:
        """Events in the history of the order's saga workflow; 0 where it has none."""
        ...
