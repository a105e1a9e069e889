"""Temporal as the API sees it: asked before an order is taken in, told after, and allowed to be away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from domain.order import OrderRequest
from runtime.errors import CannotRun

HEALTH_DEADLINE_S = 1.0
START_DEADLINE_S = 5.0
LATELY_S = 0.25
"""Of a Temporal that answered so long ago nobody asks whether it still does. At more than four orders a second that is
nearly every one; whoever stops Temporal, and places an order only then, is turned away as ever."""

AWAY = (RPCError, RuntimeError, TimeoutError, OSError, CannotRun)
"""What asking a Temporal that is not there ends in: the SDK's connect raises RuntimeError."""


class Temporal:
    """Connects when it is first needed, so that the API starts, and serves what it can, without Temporal."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        if self._client is None:
            async with self._connecting:
                if self._client is None:
                    self._client = await self._connect()
        return self._client

    async def ask(self) -> None:
        """Return if it answers, raise one of AWAY if not."""
        async with asyncio.timeout(HEALTH_DEADLINE_S):
            client = await self.client()
            await client.service_client.check_health(timeout=timedelta(seconds=HEALTH_DEADLINE_S))


async def nobody_starts(_: OrderRequest) -> bool:
    return False


class TemporalStarter:
    """Has the saga worker start a saga if there is one at hand, and starts it itself otherwise.

    Remembers when Temporal last acknowledged a call of this class, until a call fails.

    Under load the starts themselves tell that it answers, so that no order has to ask. The price: for LATELY_S after
    Temporal went away an order may be placed whose start then fails. The sweep starts it when Temporal is back, as any
    order whose API died between its write and its start.
    """

    def __init__(
        self,
        temporal: Temporal,
        start: Callable[[Client, OrderRequest], Awaitable[object]],
        start_by_worker: Callable[[OrderRequest], Awaitable[bool]] = nobody_starts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._temporal = temporal
        self._start = start
        self._start_by_worker = start_by_worker
        self._clock = clock
        self._answered_at: float | None = None

    def answered_lately(self) -> bool:
        return self._answered_at is not None and self._clock() - self._answered_at < LATELY_S

    async def answers(self) -> bool:
        try:
            with self._remembering():
                await self._temporal.ask()
        except AWAY:
            return False
        return True

    async def start(self, request: OrderRequest) -> None:
        with self._remembering():
            async with asyncio.timeout(START_DEADLINE_S):
                if not await self._start_by_worker(request):
                    await self._start(await self._temporal.client(), request)

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._answered_at = None
            raise
        self._answered_at = self._clock()
