"""The Celery worker takes what Celery sends, and refuses what could kill it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group

from estate.task_messages import must_be_a_task
from tests.support.celery_workers import QUEUE, CeleryEstate, celery_estate
from tests.support.hostile_celery_messages import task_message

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

NOWHERE = "127.0.0.1:9"
PROCESS_VIDEO, CLEAN_UP = "twinsaga.process_video", "twinsaga.clean_up"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryEstate]:
    with celery_estate(tmp_path_factory.mktemp("estate"), NOWHERE) as estate:
        yield estate


@pytest.fixture(scope="module")
def worker(estate: CeleryEstate) -> Iterator["subprocess.Popen[bytes]"]:
    with estate.worker() as worker:
        yield worker


def test_what_celery_sends_is_taken(estate: CeleryEstate) -> None:
    broker: Any = estate.broker
    # Results in Redis would look for it when they are collected, after the end of the test.
    with Celery("senders", broker=f"{estate.redis}/0", backend="cache+memory://", set_as_current=False) as app:

        def of(*args: object, **options: object) -> Any:  # noqa: ANN401 - a signature
            return app.signature(PROCESS_VIDEO, args=args, options={"queue": "examples", **options})

        for example in (
            of("Olá", countdown=5, expires=60),
            of("x", time_limit=9, soft_time_limit=8, priority=3, shadow="y", headers={"tenant": {"name": "a"}}),
            of("x", link=of("y"), link_error=of("z")),
            chain(*(of(n) for n in range(50)), app=app),
            group(of(1), of(2), app=app),
            chord([chain(of(1), chord([of(2)] * 2, of(3), app=app), app=app)] * 3, of(4), app=app),
        ):
            example.apply_async()
    messages = [message for key in broker.keys("examples*") for message in broker.lrange(key, 0, -1)]
    broker.delete(*broker.keys("examples*"))
    assert len(messages) == 9
    for message in messages:
        must_be_a_task(message)


@pytest.mark.parametrize("nesting", [500, 3000])
def test_a_deeply_nested_argument_costs_its_message_only(
    estate: CeleryEstate, worker: "subprocess.Popen[bytes]", nesting: int
) -> None:
    before = estate.refused()
    with estate.app() as app:
        hostile = task_message(PROCESS_VIDEO, body=f"[[{'[' * nesting}{']' * nesting}], {{}}, {{}}]")
        estate.broker.lpush(QUEUE, hostile)
        assert app.send_task(CLEAN_UP, ignore_result=False).get(timeout=30) is None
        assert (worker.poll(), estate.refused() - before) == (None, 1)


def test_an_absurd_time_costs_its_message_only(estate: CeleryEstate, worker: "subprocess.Popen[bytes]") -> None:
    with estate.app() as app:
        for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59", "T"):
            for header in ("eta", "expires"):
                estate.broker.lpush(QUEUE, task_message(CLEAN_UP, **{header: moment}))
        assert app.send_task(CLEAN_UP, ignore_result=False).get(timeout=30) is None
        assert worker.poll() is None


@pytest.mark.usefixtures("worker")
def test_a_path_as_the_id_of_a_video_deletes_no_file(estate: CeleryEstate, tmp_path: Path) -> None:
    inside, outside = estate.folder / "estate.db", tmp_path / "precious"
    outside.write_text("kept")
    with estate.app() as app:
        for path in (str(outside), "../estate.db", ".", "", [str(outside)]):
            with pytest.raises(Exception, match="not the id of a video"):
                app.send_task(PROCESS_VIDEO, [path]).get(timeout=30)
    assert outside.exists()
    assert inside.exists()
