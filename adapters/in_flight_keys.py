"""Idempotency keys that are being answered, in Redis: one call holds a key, for a bounded time."""

from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = structlog.get_logger()

DEADLINE_S = 0.25
"""For one command. The guard is a courtesy, so nobody waits long for it."""
HELD_MS = 30_000
"""Longer than placing an order may take; then a key whose holder died is free."""

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisInFlightKeys:
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0)
        )

    async def claim(self, key: str) -> str | None:
        """Return the claim, or None when another holds the key. Redis away: everybody gets a claim."""
        claim = uuid4().hex
        try:
            granted = await self._redis.set(_name(key), claim, nx=True, px=HELD_MS)
        except (RedisError, OSError) as error:
            log.warning("no guard for keys in flight", error=type(error).__name__)
            return claim
        return claim if granted else None

    async def release(self, key: str, claim: str) -> None:
        """Free the key, unless the claim ran out and another call holds it by now."""
        try:
            await self._redis.eval(_RELEASE, 1, _name(key), claim)
        except (RedisError, OSError) as error:
            log.warning("a key in flight is left to run out", error=type(error).__name__)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: str) -> str:
    return f"twinsaga:in-flight:{key}"
