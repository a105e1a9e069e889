"""Whatever Celery raises on a message, the message is put aside, and the worker goes on."""

from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Connection
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from estate.taken_messages import TakenMessages
from estate.worker_consumer import consumer_class


def handled(error: Exception) -> tuple[Any, list[tuple[str, bytes, str]]]:
    """Let Celery's handler raise on a message. Return the message, and what was put aside."""
    put_aside: list[tuple[str, bytes, str]] = []

    def raises(*_: object) -> None:
        raise error

    app = Celery("worker", set_as_current=False)
    kind = consumer_class(TakenMessages(app, Redis(), lease_s=20), lambda *refused: put_aside.append(refused))
    consumer: Any = object.__new__(kind)  # without the worker around it
    consumer.strategies, consumer.on_task_message = {"task": raises}, set()
    consumer._maximum_prefetch_restored = True
    with Connection("memory://") as connection:
        queue: Any = connection.SimpleQueue(uuid4().hex)
        queue.put([[], {}, {}], headers={"task": "task", "id": "id"})
        message = queue.get()
        consumer.create_task_handler()(message)
    return message, put_aside


@pytest.mark.parametrize("error", [KeyError("id"), RecursionError(), TypeError("5"), OverflowError()])
def test_a_message_on_which_celery_raises_is_put_aside(error: Exception) -> None:
    message, put_aside = handled(error)

    assert message.acknowledged
    assert [(body, why) for _, body, why in put_aside] == [(message.body, repr(error))]


def test_a_message_stays_while_redis_is_away() -> None:
    with pytest.raises(RedisAway):
        handled(RedisAway())
