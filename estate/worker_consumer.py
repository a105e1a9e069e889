"""The consumer of the Celery worker: one message costs that message, and a dead worker's messages come back."""

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from estate.broker_transport import PutAside
from estate.taken_messages import TakenMessages

log = structlog.get_logger(__name__)

AWAY = (RedisError, OperationalError, OSError)


def consumer_class(taken: TakenMessages, put_aside: PutAside) -> type[Any]:
    """For `worker_consumer`. A class, because Celery makes the consumer itself."""

    class GuardedConsumer(Consumer):
        def connect(self) -> Any:  # noqa: ANN401 - kombu's connection
            taken.begin_lease()
            connection = super().connect()
            taken.renew()
            self.timer.call_repeatedly(taken.renew_every_s, _renewed, (taken,))  # cancelled when the connection is lost
            return connection

        def create_task_handler(self, *args: Any) -> Callable[..., Any]:  # noqa: ANN401 - Celery's
            handle = super().create_task_handler(*args)

            def guarded(message: Any) -> None:  # noqa: ANN401 - kombu's
                try:
                    handle(message)
                except AWAY:
                    raise  # the broker delivers the message again
                except Exception as error:
                    log.exception("a Celery message cannot be handled", error=repr(error))
                    put_aside(str(message.delivery_info.get("routing_key")), bytes(message.body), repr(error))
                    if not message.acknowledged:
                        message.reject()

            return guarded

    return GuardedConsumer


def _renewed(taken: TakenMessages) -> None:
    try:
        taken.renew()
    except AWAY as away:
        log.warning("the lease of this worker's messages was not renewed", error=repr(away))
