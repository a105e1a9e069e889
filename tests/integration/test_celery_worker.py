"""The Celery worker loses no message when it dies, sends a mail once, and refuses what could kill it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from celery import Celery, chain, chord, group

from estate.taken_messages import LEASE_MS, RENEW_EVERY_S
from estate.task_messages import must_be_a_task
from tests.support.celery_workers import QUEUE, CeleryEstate, celery_estate, kill, seconds_until
from tests.support.hostile_celery_messages import task_message
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

SEND_EMAIL, PROCESS_VIDEO, CLEAN_UP = "twinsaga.send_email", "twinsaga.process_video", "twinsaga.clean_up"


class SlowMailServer:
    """Answers after a second, so that two copies of a task meet."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = bytes(envelope.content or b"").decode()  # type: ignore[arg-type] # never text
        self.subjects.append(next(line for line in content.splitlines() if line.startswith("Subject: "))[9:])
        await asyncio.sleep(1)
        return "250 OK"


@pytest.fixture(scope="module")
def mails() -> SlowMailServer:
    return SlowMailServer()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, mails: SlowMailServer) -> Iterator[CeleryEstate]:
    port = free_port()
    server = Controller(mails, hostname="127.0.0.1", port=port)
    server.start()
    try:
        with celery_estate(tmp_path_factory.mktemp("estate"), f"127.0.0.1:{port}") as estate:
            yield estate
    finally:
        server.stop()


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


def test_the_messages_of_a_killed_worker_are_back_within_a_minute(estate: CeleryEstate) -> None:
    task_id = uuid4().hex
    with estate.worker() as first, estate.app() as app:
        app.send_task(PROCESS_VIDEO, [task_id], task_id=task_id, countdown=3600)
        eventually(lambda: estate.held(task_id), "the first worker has taken it")
        with estate.worker():
            kill(first)
            assert seconds_until(lambda: estate.held(task_id, redelivered=True), "the second one has it") < 60


def test_a_worker_that_was_killed_alone_gets_its_messages_back(estate: CeleryEstate) -> None:
    task_id = uuid4().hex
    with estate.app() as app:
        with estate.worker():
            app.send_task(PROCESS_VIDEO, [task_id], task_id=task_id, countdown=3600)
            eventually(lambda: estate.held(task_id), "it has taken it")
        with estate.worker():
            assert seconds_until(lambda: estate.held(task_id, redelivered=True), "the next one has it") < 60


def test_a_lease_outlives_a_few_renewals() -> None:
    assert LEASE_MS > 4 * RENEW_EVERY_S * 1000


def test_a_mail_whose_message_is_delivered_twice_is_sent_once(estate: CeleryEstate, mails: SlowMailServer) -> None:
    task_id = uuid4().hex
    with estate.worker(), estate.app() as app:
        copies = [task_message(SEND_EMAIL, args=["ana@example.com", task_id, "Hello"], id=task_id) for _ in range(4)]
        estate.broker.lpush(QUEUE, *copies)
        assert app.AsyncResult(task_id).get(timeout=60)
        # Queued after the copies, by which time all of them have run.
        app.send_task(SEND_EMAIL, ["ana@example.com", "last", "Hello"], countdown=5).get(timeout=60)
    assert mails.subjects.count(task_id) == 1


def test_a_mail_that_is_revoked_in_its_countdown_is_not_sent_by_the_next_worker(
    estate: CeleryEstate, mails: SlowMailServer
) -> None:
    task_id, arguments = uuid4().hex, ["ana@example.com", "revoked", "Hello"]
    with estate.app() as app:
        with estate.worker():
            result = app.send_task(SEND_EMAIL, arguments, task_id=task_id, countdown=3600)
            result.revoke()
            eventually(lambda: str(result.state) == "REVOKED", "it is revoked")
        app.send_task(SEND_EMAIL, arguments, task_id=task_id)
        with estate.worker():
            app.send_task(SEND_EMAIL, ["ana@example.com", "after it", "Hello"]).get(timeout=60)
    assert "revoked" not in mails.subjects


@pytest.mark.parametrize("nesting", [500, 3000])
def test_a_deeply_nested_argument_costs_its_message_only(estate: CeleryEstate, nesting: int) -> None:
    before = estate.refused()
    with estate.worker() as worker, estate.app() as app:
        hostile = task_message(PROCESS_VIDEO, body=f"[[{'[' * nesting}{']' * nesting}], {{}}, {{}}]")
        estate.broker.lpush(QUEUE, hostile)
        assert app.send_task(CLEAN_UP, ignore_result=False).get(timeout=30) is None
        assert (worker.poll(), estate.refused() - before) == (None, 1)


def test_an_absurd_time_costs_its_message_only(estate: CeleryEstate) -> None:
    with estate.worker() as worker, estate.app() as app:
        for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59", "T"):
            for header in ("eta", "expires"):
                estate.broker.lpush(QUEUE, task_message(CLEAN_UP, **{header: moment}))
        assert app.send_task(CLEAN_UP, ignore_result=False).get(timeout=30) is None
        assert worker.poll() is None


def test_a_path_as_the_id_of_a_video_deletes_no_file(estate: CeleryEstate, tmp_path: Path) -> None:
    inside, outside = estate.folder / "estate.db", tmp_path / "precious"
    outside.write_text("kept")
    with estate.worker(), estate.app() as app:
        for path in (str(outside), "../estate.db", ".", "", [str(outside)]):
            with pytest.raises(Exception, match="not the id of a video"):
                app.send_task(PROCESS_VIDEO, [path]).get(timeout=30)
    assert outside.exists()
    assert inside.exists()
