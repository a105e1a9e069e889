"""Gives back the messages of a worker that died: each worker keeps what it took apart, under a lease.

Celery on Redis remembers a taken message until it is acknowledged, and delivers it again after a visibility timeout. It
does not know which worker took it, so that timeout has to be longer than the longest task. Here each connection of a
worker has keys of its own and renews a lease; what an expired lease leaves behind goes back to its queues at once.
"""

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import structlog
from celery import Celery
from redis import Redis

log = structlog.get_logger(__name__)

HOLDERS = "twinsaga:message-holders"
RENEWALS = 5
"""Within a lease: it outlives a few that come late."""


class TakenMessages:
    """`redis`: the broker's database. A worker that is frozen for longer than `lease_s` gets duplicates."""

    def __init__(self, app: Celery, redis: Redis, lease_s: float) -> None:
        self._app = app
        self._redis = redis
        self._lease_s = lease_s
        self.renew_every_s = lease_s / RENEWALS
        self._holder: str | None = None

    def begin_lease(self) -> None:
        """Call before each connect: the app's next connection gets keys of its own, and the last lease expires."""
        self._holder = uuid4().hex
        self._app.conf.broker_transport_options = self._app.conf.broker_transport_options | _keys(self._holder)

    def renew(self) -> None:
        """Call every `renew_every_s` seconds while connected. Raises RedisError."""
        if self._holder is None:
            return
        with self._redis.pipeline() as pipeline:
            pipeline.sadd(HOLDERS, self._holder)  # each time: another worker may have taken this one for dead
            pipeline.set(_lease(self._holder), 1, px=int(1000 * self._lease_s))
            pipeline.execute()
        for dead in self._dead():
            self._give_back(dead)

    def _dead(self) -> Iterator[str]:
        for member in cast("set[bytes]", self._redis.smembers(HOLDERS)):
            holder = member.decode()
            if not self._redis.exists(_lease(holder)):
                yield holder

    def _give_back(self, holder: str) -> None:
        options = _keys(holder) | {"visibility_timeout": 0, "unacked_mutex_expire": int(self._lease_s)}
        with self._app.connection_for_write(transport_options=options) as connection:
            # kombu's own: each message is moved in one transaction, so that two workers do not both give it back.
            channel: Any = connection.default_channel
            channel.qos.restore_visible(num=None)
        left = self._redis.hlen(_keys(holder)["unacked_key"])
        log.warning("gave back the messages of a lost connection", holder=holder, left=left)
        if not left:
            self._redis.srem(HOLDERS, holder)


def _keys(holder: str) -> dict[str, str]:
    return {
        "unacked_key": f"unacked.{holder}",
        "unacked_index_key": f"unacked_index.{holder}",
        "unacked_mutex_key": f"unacked_mutex.{holder}",
    }


def _lease(holder: str) -> str:
    return f"twinsaga:message-holder:{holder}"
