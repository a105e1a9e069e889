"""One request at a time holds a key. Without Redis no request is refused."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from adapters.in_flight_keys import RedisInFlightKeys
from embedded.ports import PortReservations
from tests.support.valkey import running_valkey


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@asynccontextmanager
async def keys_at(url: str) -> AsyncIterator[RedisInFlightKeys]:
    keys = RedisInFlightKeys(url)
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


async def test_without_redis_every_claim_is_granted() -> None:
    with PortReservations() as ports:
        async with keys_at(f"redis://127.0.0.1:{ports.take('127.0.0.1')}/2") as keys:
            claims = [await keys.claim("key"), await keys.claim("key")]

            assert all(claims)
            await keys.release("key", str(claims[0]))
