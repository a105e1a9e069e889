"""The sweep of the saga worker, impatient."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client

from processes.saga_worker.sweep import SweepTimes, sweep
from runtime.settings import Settings
from runtime.wiring import Services
from twinsaga_bridges.backoff import Backoff

_SHORT = Backoff(first_s=0.05, longest_s=0.05)
_AT_ONCE = SweepTimes(
    every_s=0.05,
    older_than=timedelta(0),
    pauses=_SHORT,
    silent_for=timedelta(0),
    pauses_between_publications=_SHORT,
)


@asynccontextmanager
async def swept(client: Client, services: Services, settings: Settings | None = None) -> AsyncIterator[None]:
    sweeping = asyncio.create_task(sweep(client, services, settings or Settings(), _AT_ONCE))
    try:
        yield
        assert not sweeping.done(), "the sweep goes on"
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def unused_temporal() -> Client:
    """A client for sweeps of orders that need no workflow: it never connects."""
    return await Client.connect("127.0.0.1:9", lazy=True)
