"""The idempotency keys of requests in progress, in Redis: one request claims a key, for a limited time."""

from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = structlog.get_logger()

DEADLINE_S = 0.25
"""For one Redis command. The databases refuse a reused key without Redis too, so a claim must not delay a request."""
HELD_MS = 30_000
"""Longer than the slowest request. The key of a crashed request becomes free after this time."""

# Compare and delete in one script: the claim may expire, and another request may claim the key, between two commands.
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisInFlightKeys:
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0)
        )

    async def claim(self, key: str) -> str | None:
        """Return the claim, or None if another request holds the key. Without Redis, every request gets a claim."""
        claim = uuid4().hex
        try:
            granted = await self._redis.set(_name(key), claim, nx=True, px=HELD_MS)
        except (RedisError, OSError) as error:
            log.warning("idempotency keys in flight are not guarded", error=type(error).__name__)
            return claim
        return claim if granted else None

    async def release(self, key: str, claim: str) -> None:
        """Free the key, unless the claim has expired and another request holds the key now."""
        try:
            await self._redis.eval(_RELEASE, 1, _name(key), claim)
        except (RedisError, OSError) as error:
            log.warning("idempotency key in flight was not released; it will expire", error=type(error).__name__)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: str) -> str:
    return f"twinsaga:in-flight:{key}"
