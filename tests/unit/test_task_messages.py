"""The Celery worker refuses messages that could stop it, whatever they are."""

import json

import pytest

from estate.task_messages import MAX_BYTES, MAX_DEPTH, RefusedMessage, must_be_a_command, must_be_a_task
from tests.support.hostile_celery_messages import encoded, envelope, hostile_messages, nested, task_message

SEED, MESSAGES = 18, 5_000
VIDEO = "twinsaga.process_video"


def test_nothing_hostile_makes_the_check_itself_fail() -> None:
    taken = 0
    for message in hostile_messages(SEED, MESSAGES):
        try:
            must_be_a_task(message)
        except RefusedMessage:
            continue
        taken += 1
    assert 0 < taken < MESSAGES / 2


@pytest.mark.parametrize(
    "message",
    [
        task_message(VIDEO, body=json.dumps([[nested(MAX_DEPTH)], {}, {}])),
        task_message(VIDEO, body="[]"),
        task_message(VIDEO, body='[[], {}, {"chain": 5}]'),
        task_message(VIDEO, args=["x" * MAX_BYTES]),
        task_message(VIDEO, id="a\0b"),
        task_message(VIDEO, id="\ud800"),
        task_message(VIDEO, argsrepr="\ud800"),
        task_message(VIDEO, retries="3"),
        task_message(VIDEO, compression="application/x-gzip"),
        task_message(VIDEO, is_eager=True),
        encoded(envelope(VIDEO, []) | {"content-type": "application/x-python-serialize"}),
        encoded(envelope(VIDEO, [])).decode().encode("utf-16"),
    ],
)
def test_what_could_stop_the_worker_is_refused(message: bytes) -> None:
    with pytest.raises(RefusedMessage):
        must_be_a_task(message)


@pytest.mark.parametrize("body", ["[]", "5", "{}", '{"method": 5}', '{"method": "revoke", "arguments": []}'])
def test_a_broadcast_that_is_no_command_is_refused(body: str) -> None:
    with pytest.raises(RefusedMessage):
        must_be_a_command(task_message(VIDEO, body=body))
