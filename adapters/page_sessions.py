"""Sessions of the page, in Redis: an API key, encrypted with the random token that the browser's cookie contains.

Neither half is of use without the other. Whoever reads Redis finds no key, and whoever writes to it cannot make a
session, since it has to contain a key.
"""

from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from messaging.errors import Fault

DEADLINE_S = 1.0
"""For one Redis command."""
SESSION_S = 8 * 60 * 60
_PADDING = "="
"""Of base64. A cookie would have to quote it."""


class SessionsAway(Fault):
    """Redis does not answer."""


class RedisPageSessions:
    def __init__(self, url: str, *, lasts_s: int = SESSION_S) -> None:
        self._lasts_s = lasts_s
        self._redis = Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0)
        )

    async def begin(self, key: str) -> str:
        token = Fernet.generate_key().decode().removesuffix(_PADDING)
        try:
            await self._redis.set(_name(token), Fernet(token + _PADDING).encrypt(key.encode()), ex=self._lasts_s)
        except (RedisError, OSError) as error:
            raise SessionsAway(type(error).__name__) from error
        return token

    async def key_in(self, token: str) -> str | None:
        try:
            cipher = Fernet(token + _PADDING)
        except ValueError:  # a cookie that we have not set
            return None
        try:
            content = await self._redis.get(_name(token))
        except (RedisError, OSError) as error:
            raise SessionsAway(type(error).__name__) from error
        if content is None:
            return None
        try:
            return cipher.decrypt(content, ttl=self._lasts_s).decode()
        except InvalidToken:
            return None

    async def end(self, token: str) -> None:
        try:
            await self._redis.delete(_name(token))
        except (RedisError, OSError) as error:
            raise SessionsAway(type(error).__name__) from error

    async def close(self) -> None:
        await self._redis.aclose()


def _name(token: str) -> str:
    return f"twinsaga:page-session:{sha256(token.encode()).hexdigest()}"
