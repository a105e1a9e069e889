import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest
import uvicorn
from fastapi import FastAPI

from adapters.in_flight_keys import RedisInFlightKeys
from api.app import create_app
from api.live_orders import LiveOrders, Pace
from tests.support.api_rig import Rig
from tests.support.valkey import running_valkey
from tests.support.waiting import until

PACE = Pace(quick=0.02, slow=0.05)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def rig(tmp_path: Path, redis_url: str) -> AsyncIterator[Rig]:
    keys = RedisInFlightKeys(redis_url)
    rig = Rig.on(tmp_path / uuid4().hex, keys)
    try:
        yield rig
    finally:
        await keys.close()
        rig.close()


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as client:
        yield client


@pytest.fixture
async def served(rig: Rig) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The app behind a real server, and a client of it. At most two orders are watched at the same time."""
    app = create_app(rig.dependencies)
    app.state.live_orders = LiveOrders(app.state.live_orders._read, streams=2, pace=PACE)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=2))
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, auth=rig.caller) as client:
        yield app, client
    server.should_exit = True
    await serving
