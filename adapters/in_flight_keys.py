"""The idempotency keys of requests in progress, in Redis: one request claims a key, and renews the claim until its end.

A claim without renewals expires soon, so that retries of a request whose process was killed do not wait for long.
"""

import asyncio
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = structlog.get_logger()

DEADLINE_S = 0.25
"""For one Redis command. The databases refuse a reused key without Redis too, so a claim must not delay a request."""
LEASE_S = 3.0
"""The key of a killed request becomes free after this time. Claims are renewed three times as often."""

# Compare and change in one script: the claim may expire, and another request may claim the key, between two commands.
_IF_OURS = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call({command}) end return 0"
_RELEASE = _IF_OURS.format(command="'del', KEYS[1]")
_RENEW = _IF_OURS.format(command="'pexpire', KEYS[1], ARGV[2]")


class RedisInFlightKeys:
    def __init__(self, url: str, *, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._renewals: dict[str, asyncio.Task[None]] = {}
        self._redis = Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0)
        )

    async def claim(self, key: str) -> str | None:
        """Return the claim, or None if another request holds the key. Without Redis, every request gets a claim."""
        claim = uuid4().hex
        try:
            granted = await self._redis.set(_name(key), claim, nx=True, px=self._lease_ms)
        except (RedisError, OSError) as error:
            log.warning("idempotency keys in flight are not guarded", error=type(error).__name__)
            return claim
        if not granted:
            return None
        self._renewals[claim] = asyncio.create_task(self._renew(key, claim))
        return claim

    async def release(self, key: str, claim: str) -> None:
        """Free the key, unless the claim has expired and another request holds the key now."""
        if claim in self._renewals:
            self._renewals.pop(claim).cancel()
        try:
            await self._redis.eval(_RELEASE, 1, _name(key), claim)
        except (RedisError, OSError) as error:
            log.warning("idempotency key in flight was not released; it will expire", error=type(error).__name__)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        for renewal in self._renewals.values():
            renewal.cancel()
        await self._redis.aclose()

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_s * 1000)

    async def _renew(self, key: str, claim: str) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._redis.eval(_RENEW, 1, _name(key), claim, str(self._lease_ms))
            except (RedisError, OSError) as error:
                log.warning("idempotency key in flight was not renewed", error=type(error).__name__)


def _name(key: str) -> str:
    return f"twinsaga:in-flight:{key}"
