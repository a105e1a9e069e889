"""A Temporal server, a broker, and the bridge between them, for one test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.kafka.estate import Estate, GivenTemporal, TemporalServer
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.member import Graveyard
from tests.integration.bridges.kafka.routes import TASK_QUEUE
from tests.support.broker import Broker
from tests.support.real_servers import given_servers
from tests.support.waiting import soon


async def _connected(server: TemporalServer) -> Client:
    """Connect once the server is healthy: it listens before that."""

    async def attempt() -> Client | None:
        try:
            return await Client.connect(server.address, namespace=server.namespace)
        except RuntimeError:
            return None

    client = await soon(attempt, lambda found: found is not None)
    assert client is not None
    return client


@pytest_asyncio.fixture
async def estate(tmp_path: Path, broker: Broker) -> AsyncIterator[Estate]:
    servers = given_servers()
    server = GivenTemporal(servers, tmp_path) if servers else TemporalServer(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        client = await _connected(server)
        estate = Estate(
            client=client,
            server=server,
            broker=broker,
            graveyard=Graveyard(tmp_path / "dead-letters"),
            folder=tmp_path,
        )
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[Ledger]):
            yield estate
    finally:
        server.kill()


@pytest.fixture
def partitions() -> int:
    return 4
