"""The estate's database stores a record and its task together, and each of them once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from adapters.sql.estate import KEPT, SENT_BY_WRITER, Estate
from adapters.sql.tables import ESTATE
from messaging.sql.database import Database
from services.estate.mails import order_ended, welcome
from services.estate.records import QueuedTask, User, Video, VideoEngine, VideoStatus
from tests.support.examples import NOON, SettableClock
from tests.support.service_databases import Urls

ANA = User(user_id="ana", name="Ana", email="ana@example.com", fingerprint="first", created_at=NOON)
VIDEO = Video(video_id="v", engine=VideoEngine.CELERY, fingerprint="first", size_before=7, created_at=NOON)
JOB = QueuedTask(task_id="v", task="process", arguments=("v",))
HOUR = timedelta(hours=1)


@pytest.fixture
def estate(urls: Urls, clock: SettableClock) -> Iterator[Estate]:
    database = Database.open(urls.database_url("estate"), service="estate")
    with database.writing() as connection:
        for table in ESTATE.sorted_tables:
            connection.execute(delete(table))
        connection.commit()
    yield Estate(database, clock)
    database.close()


def test_a_user_comes_with_the_welcome_mail(estate: Estate, clock: SettableClock) -> None:
    assert estate.register(ANA, welcome(ANA)) == ANA == estate.user("ana")

    assert estate.due(10) == []  # the process that wrote it sends it
    clock.now += SENT_BY_WRITER
    assert estate.due(10) == [welcome(ANA)]


def test_the_first_user_of_an_id_stays(estate: Estate, clock: SettableClock) -> None:
    estate.register(ANA, welcome(ANA))
    other = replace(ANA, name="Eva", fingerprint="second")

    assert estate.register(other, welcome(other)) == ANA
    clock.now += HOUR
    assert estate.due(10) == [welcome(ANA)]


def test_a_sent_task_is_due_again_unless_it_has_ended(estate: Estate, clock: SettableClock) -> None:
    estate.add_task(JOB)
    clock.now += SENT_BY_WRITER
    estate.sent("v", HOUR)
    assert estate.due(10) == []

    clock.now += HOUR
    assert estate.due(10) == [JOB]

    estate.ended("v")
    estate.sent("v", HOUR)  # late: the task ended before it was marked as sent
    clock.now += 2 * HOUR
    assert estate.due(10) == []
    assert estate.has_ended("v")


def test_a_task_is_added_once_even_after_it_has_ended(estate: Estate) -> None:
    mail = order_ended(ANA, "order", None)  # type: ignore[arg-type]

    assert estate.add_task(mail)
    estate.ended(mail.task_id)

    assert not estate.add_task(mail)


def test_old_tasks_are_deleted_once_they_have_ended(estate: Estate, clock: SettableClock) -> None:
    estate.add_task(JOB)
    estate.add_task(replace(JOB, task_id="ended"))
    estate.ended("ended")
    clock.now += KEPT + HOUR

    assert estate.forget_old() == 1
    assert estate.due(10) == [JOB]


def test_a_video_that_has_ended_never_changes(estate: Estate) -> None:
    estate.add_video(VIDEO, JOB)
    begun = estate.begin_video("v")
    assert begun is not None
    assert (begun.status, begun.attempts) == (VideoStatus.PROCESSING, 1)
    assert estate.change_open_video("v", status=VideoStatus.CANCELLED)

    assert not estate.change_open_video("v", status=VideoStatus.DONE, percent=100)
    assert estate.begin_video("v") is None
    cancelled = estate.video("v")
    assert cancelled is not None
    assert (cancelled.status, cancelled.percent, cancelled.finished_at) == (VideoStatus.CANCELLED, 0, NOON)


def test_the_task_of_a_video_with_a_silent_worker_is_due_at_once(estate: Estate, clock: SettableClock) -> None:
    estate.add_video(VIDEO, JOB)
    estate.begin_video("v")
    estate.sent("v", 10 * HOUR)
    clock.now += timedelta(seconds=50)
    estate.change_open_video("v", alive_at=clock.now)
    clock.now += timedelta(seconds=50)
    assert estate.requeue_silent_videos(timedelta(minutes=1)) == 0

    clock.now += timedelta(seconds=20)

    assert estate.requeue_silent_videos(timedelta(minutes=1)) == 1
    assert estate.due(10) == [JOB]
    assert estate.requeue_silent_videos(timedelta(minutes=1)) == 0


def test_only_the_latest_attempt_changes_the_video(estate: Estate) -> None:
    estate.add_video(VIDEO, JOB)
    estate.begin_video("v")
    estate.begin_video("v")

    assert not estate.change_open_video("v", 1, percent=50)
    assert estate.change_open_video("v", 2, percent=50)


def test_an_abandoned_video_is_marked_as_failed(estate: Estate, clock: SettableClock) -> None:
    estate.add_video(VIDEO, JOB)
    clock.now += 2 * HOUR

    assert [estate.fail_videos(3 * HOUR), estate.fail_videos(HOUR)] == [0, 1]
    failed = estate.video("v")
    assert failed is not None
    assert failed.status is VideoStatus.FAILED
