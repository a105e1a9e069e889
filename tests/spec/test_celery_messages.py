"""Whatever is in the queue of the Celery tasks costs that message at most."""

from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import Celery
from redis import Redis

from comparison.scenarios import SCENARIOS
from estate.refused_messages import KEPT, KEY
from tests.support.estate import Estate, make_video
from tests.support.hostile_celery_messages import QUEUE, hostile_messages
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually

SEED, MESSAGES = 20_261_201, 2_000


def test_after_2000_hostile_messages_the_same_worker_does_good_tasks(stack: Stack, shop: Shop, tmp_path: Path) -> None:
    redis = Redis.from_url(f"{stack.ready['redis']}/0")
    worker = stack.ready["processes"]["celery-worker"]
    address = f"ana.{uuid4().hex}@example.com"
    print(f"seed {SEED}")  # noqa: T201 - to repeat it
    redis.lpush(QUEUE, *hostile_messages(SEED, MESSAGES))
    with stack.client() as client:
        estate = Estate(stack, client)
        try:
            order = shop.prepared(SCENARIOS["ok"]) | {"customer_id": estate.customer(address)}
            outcome = estate.call("twinsaga.place_order", order).get(timeout=240)
            video = estate.await_video(estate.uploaded(make_video(tmp_path / "short.mkv", seconds=2)))
            estate.await_mails(address, {"Welcome!", "Your order is confirmed"})
        finally:
            estate.celery.close()

    assert (outcome["status"], video["status"]) == ("confirmed", "done")
    assert Path(urlsplit(video["url"]).path).exists()
    assert stack.ready["processes"]["celery-worker"] == worker, "the worker died"
    assert Redis.from_url(f"{stack.ready['redis']}/2").llen(KEY) == KEPT


@pytest.mark.parametrize("broadcast", [b"[" * 3000, b"[]", b"{}", b"\xff", b'{"body": 5, "properties": {}}'])
def test_a_hostile_broadcast_does_not_stop_the_worker(stack: Stack, broadcast: bytes) -> None:
    worker = stack.ready["processes"]["celery-worker"]
    Redis.from_url(f"{stack.ready['redis']}/0").publish("/0.celery.pidbox", broadcast)
    with Celery("callers", broker=f"{stack.ready['redis']}/0", set_as_current=False) as app:
        assert eventually(lambda: app.control.ping(timeout=2) or None, "the worker answers")
    assert stack.ready["processes"]["celery-worker"] == worker
