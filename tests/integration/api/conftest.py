from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from adapters.in_flight_keys import RedisInFlightKeys
from tests.integration.api.rig import Rig
from tests.integration.valkey import running_valkey


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
        rig.databases.close()


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as client:
        yield client
