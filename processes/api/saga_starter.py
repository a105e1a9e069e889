"""Temporal as the API uses it: checked before an orchestrated order is accepted, then asked to start its saga."""

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
"""Calls raise these when Temporal is away. RuntimeError: the SDK's connect."""


class Temporal:
    """Connects at the first call, so that the API starts, and serves the other style, without Temporal."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        if self._client is None:
            async with self._connecting:  # concurrent first calls share one connection
                if self._client is None:
                    self._client = await self._connect()
        return self._client

    async def ask(self) -> None:
        """Check Temporal's health. Raises one of AWAY."""
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
        """Start the saga. If that fails, the saga worker's sweep starts it later, since the order is stored by now."""
        async with asyncio.timeout(START_DEADLINE_S):
            await self._start(await self._temporal.client(), request)
