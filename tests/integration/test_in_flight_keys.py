"""One request at a time holds a key, until it ends or its process dies. Without Redis no request is refused."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from adapters.in_flight_keys import LEASE_S, RedisInFlightKeys
from embedded.ports import PortReservations
from tests.support.valkey import running_valkey


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@asynccontextmanager
async def keys_at(url: str, lease_s: float = LEASE_S) -> AsyncIterator[RedisInFlightKeys]:
    keys = RedisInFlightKeys(url, lease_s=lease_s)
    try:
        yield keys
    finally:
        await keys.close()


async def test_a_key_has_one_claim_until_it_is_released(url: str) -> None:
    key = uuid4().hex
    async with keys_at(url) as one, keys_at(url) as another:
        claim = await one.claim(key)
        assert claim
        assert await another.claim(key) is None

        await one.release(key, claim)

        assert await another.claim(key)


async def test_keys_are_independent(url: str) -> None:
    async with keys_at(url) as keys:
        assert await keys.claim(uuid4().hex)
        assert await keys.claim(uuid4().hex)


async def test_an_expired_claim_does_not_release_the_next_one(url: str) -> None:
    key = uuid4().hex
    async with keys_at(url) as keys:
        assert await keys.claim(key)

        await keys.release(key, "a claim of earlier")

        assert await keys.claim(key) is None


async def test_a_claim_lasts_as_long_as_its_request(url: str) -> None:
    key, lease_s = uuid4().hex, 0.3
    async with keys_at(url, lease_s) as one, keys_at(url, lease_s) as another:
        claim = await one.claim(key)
        assert claim
        end = asyncio.get_running_loop().time() + 4 * lease_s
        while asyncio.get_running_loop().time() < end:
            assert await another.claim(key) is None

        await one.release(key, claim)

        assert await another.claim(key)


CLAIM_AND_HANG = """
import asyncio, sys
from adapters.in_flight_keys import RedisInFlightKeys

async def hang():
    print(await RedisInFlightKeys(sys.argv[1]).claim(sys.argv[2]), flush=True)
    await asyncio.Event().wait()

asyncio.run(hang())
"""


def claim_and_be_killed(url: str, key: str) -> None:
    with subprocess.Popen([sys.executable, "-P", "-c", CLAIM_AND_HANG, url, key], stdout=subprocess.PIPE) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        assert process.stdout.readline().strip() != b"None"
        process.kill()


async def test_the_key_of_a_killed_process_is_free_within_seconds(url: str) -> None:
    key = uuid4().hex
    claim_and_be_killed(url, key)
    async with keys_at(url) as keys:
        assert await keys.claim(key) is None

        async with asyncio.timeout(5):
            while True:
                if await keys.claim(key):
                    break
                await asyncio.sleep(0.05)


async def test_without_redis_every_claim_is_granted() -> None:
    with PortReservations() as ports:
        async with keys_at(f"redis://127.0.0.1:{ports.take('127.0.0.1')}/2") as keys:
            claims = [await keys.claim("key"), await keys.claim("key")]

            assert all(claims)
            await keys.release("key", str(claims[0]))
