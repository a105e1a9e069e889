"""Temporal as the API sees it: asked before an order is taken in, told after, and allowed to be away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from domain.order import OrderRequest
from runtime.errors import CannotRun

HEALTH_DEADLINE_S = 1.0
START_DEADLINE_S = 5.0
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


class TemporalStarter:
    def __init__(self, temporal: Temporal, start: Callable[[Client, OrderRequest], Awaitable[object]]) -> None:
        self._temporal = temporal
        self._start = start

    async def answers(self) -> bool:
        try:
            await self._temporal.ask()
        except AWAY:
            return False
        return True

    async def start(self, request: OrderRequest) -> None:
        async with asyncio.timeout(START_DEADLINE_S):
            await self._start(await self._temporal.client(), request)
