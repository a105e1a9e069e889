"""Sends each mail once, though the broker may deliver its task several times, also to two workers at a time."""

from collections.abc import Callable
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from messaging.errors import Fault

HELD = timedelta(minutes=2)
"""Longer than a mail server may take. The claim of a worker that died is free after this time."""
KEPT = timedelta(days=7)
"""How long a sent mail is remembered."""


class MailClaimed(Fault):
    """Another copy of the task is sending the mail, or its worker has died: look again later."""


class MailClaimsFault(Fault):
    """Redis does not answer."""


class MailClaims:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def send_once(self, task_id: str, send: Callable[[], None]) -> None:
        """Do nothing if the mail was sent. Raises Fault: retry; and what `send` raises."""
        key = f"twinsaga:mail:{task_id}"
        try:
            claimed = self._redis.set(key, "sending", nx=True, px=HELD)
            if not claimed:
                if self._redis.get(key) == b"sent":
                    return
                raise MailClaimed(task_id)
            try:
                send()
            except BaseException:
                self._redis.delete(key)
                raise
            self._redis.set(key, "sent", px=KEPT)
        except RedisError as error:
            raise MailClaimsFault(str(error)) from error
