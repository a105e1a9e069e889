"""The worker's connection to Redis: a message that the worker cannot handle is put aside before it is taken."""

from collections.abc import Callable
from typing import Any

import structlog
from kombu.transport import redis as kombu_redis
from redis import Redis
from redis.client import PubSub

from estate.task_messages import must_be_a_command, must_be_a_task

log = structlog.get_logger(__name__)

PutAside = Callable[[str, bytes, str], None]
"""Gets the queue, the message and the reason."""


class CheckedPubSub(PubSub):
    """Broadcasts, which no queue keeps: one that is refused is gone."""

    def parse_response(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - redis-py's
        response = super().parse_response(*args, **kwargs)  # type: ignore[no-untyped-call]
        if isinstance(response, list) and response[0] in (b"message", b"pmessage"):
            try:
                must_be_a_command(response[-1])
            except Exception as refused:  # noqa: BLE001 - as below
                log.error("refused a broadcast", why=str(refused) or repr(refused))  # noqa: TRY400 - the sender's fault
                return None
        return response


class CheckedRedis(Redis):
    put_aside: PutAside

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:  # noqa: ANN401 - redis-py's
        response = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name == "BRPOP" and response:
            queue, message = response
            try:
                must_be_a_task(message)
            except Exception as refused:  # noqa: BLE001 - whatever it raises, the message is not good
                self.put_aside(queue.decode(errors="replace"), message, str(refused) or repr(refused))
                return None  # as if the queue had been empty
        return response

    def pubsub(self, **kwargs: Any) -> CheckedPubSub:  # noqa: ANN401 - redis-py's
        return CheckedPubSub(self.connection_pool, **kwargs)


class Channel(kombu_redis.Channel):
    put_aside: PutAside
    from_transport_options = (*kombu_redis.Channel.from_transport_options, "put_aside")

    def _get_client(self) -> type[Redis]:
        return type("CheckedRedis", (CheckedRedis,), {"put_aside": staticmethod(self.put_aside)})


class Transport(kombu_redis.Transport):
    """Needs the transport option `put_aside`."""

    Channel = Channel
