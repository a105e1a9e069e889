"""Messages that the Celery worker refused, for an operator: the newest of them, in Redis."""

import json

import structlog
from redis import Redis
from redis.exceptions import RedisError

from adapters.clock import utc_now

log = structlog.get_logger(__name__)

KEY = "twinsaga:refused-messages"
KEPT = 1_000
KEPT_CHARS = 10_000


class RefusedMessages:
    """A list, the newest first. A message's first KEPT_CHARS characters are kept."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def put_aside(self, queue: str, message: bytes, why: str) -> None:
        # Without the content, which may have addresses; but it says where to look.
        log.error("refused a Celery message", queue=queue, bytes=len(message), why=why, kept_in=KEY)
        text = message[:KEPT_CHARS].decode(errors="backslashreplace")
        entry = {"at": utc_now().isoformat(), "queue": queue, "why": why, "bytes": len(message), "message": text}
        try:
            with self._redis.pipeline() as pipeline:
                pipeline.lpush(KEY, json.dumps(entry))
                pipeline.ltrim(KEY, 0, KEPT - 1)
                pipeline.execute()
        except RedisError as error:
            log.error("a refused Celery message could not be kept", error=repr(error))  # noqa: TRY400 - an outage
