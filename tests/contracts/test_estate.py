"""The estate's database: no task without its occasion, no occasion without its task, and each of them once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from adapters.sql.database import Database
from adapters.sql.estate import HANDED_OVER_BY_WRITER, KEPT, Estate
from adapters.sql.estate_tables import ESTATE
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

    assert estate.due(10) == []  # whoever wrote it hands it over
    clock.now += HANDED_OVER_BY_WRITER
    assert estate.due(10) == [welcome(ANA)]


def test_the_first_user_of_an_id_stays(estate: Estate, clock: SettableClock) -> None:
    estate.register(ANA, welcome(ANA))
    other = replace(ANA, name="Eva", fingerprint="second")

    assert estate.register(other, welcome(other)) == ANA
    clock.now += HOUR
    assert estate.due(10) == [welcome(ANA)]


def test_a_task_is_handed_over_again_only_when_it_does_not_end(estate: Estate, clock: SettableClock) -> None:
    estate.promise(JOB)
    clock.now += HANDED_OVER_BY_WRITER
    estate.handed_over("v", HOUR)
    assert estate.due(10) == []

    clock.now += HOUR
    assert estate.due(10) == [JOB]

    estate.ended("v")
    estate.handed_over("v", HOUR)  # which comes late: the task was quicker
    clock.now += 2 * HOUR
    assert estate.due(10) == []
    assert estate.has_ended("v")


def test_an_occasion_is_promised_once_even_after_its_end(estate: Estate) -> None:
    mail = order_ended(ANA, "order", None)  # type: ignore[arg-type]

    assert estate.promise(mail)
    estate.ended(mail.task_id)

    assert not estate.promise(mail)


def test_what_ended_long_ago_is_forgotten_and_what_has_not_is_not(estate: Estate, clock: SettableClock) -> None:
    estate.promise(JOB)
    estate.promise(replace(JOB, task_id="ended"))
    estate.ended("ended")
    clock.now += KEPT + HOUR

    assert estate.forget_old() == 1
    assert estate.due(10) == [JOB]


def test_a_video_that_is_at_its_end_never_changes(estate: Estate) -> None:
    estate.take_in(VIDEO, JOB)
    begun = estate.begin_video("v")
    assert begun is not None
    assert (begun.status, begun.attempts) == (VideoStatus.PROCESSING, 1)
    assert estate.change_open_video("v", status=VideoStatus.CANCELLED)

    assert not estate.change_open_video("v", status=VideoStatus.DONE, percent=100)
    assert estate.begin_video("v") is None
    cancelled = estate.video("v")
    assert cancelled is not None
    assert (cancelled.status, cancelled.percent, cancelled.finished_at) == (VideoStatus.CANCELLED, 0, NOON)


def test_a_video_whose_worker_is_silent_is_handed_over_again_at_once(estate: Estate, clock: SettableClock) -> None:
    estate.take_in(VIDEO, JOB)
    estate.begin_video("v")
    estate.handed_over("v", 10 * HOUR)
    clock.now += timedelta(seconds=50)
    estate.change_open_video("v", alive_at=clock.now)
    clock.now += timedelta(seconds=50)
    assert estate.revive_videos(timedelta(minutes=1)) == 0

    clock.now += timedelta(seconds=20)

    assert estate.revive_videos(timedelta(minutes=1)) == 1
    assert estate.due(10) == [JOB]
    assert estate.revive_videos(timedelta(minutes=1)) == 0


def test_only_the_latest_attempt_may_say_something(estate: Estate) -> None:
    estate.take_in(VIDEO, JOB)
    estate.begin_video("v")
    estate.begin_video("v")

    assert not estate.change_open_video("v", 1, percent=50)
    assert estate.change_open_video("v", 2, percent=50)


def test_a_video_that_nobody_finishes_is_given_up(estate: Estate, clock: SettableClock) -> None:
    estate.take_in(VIDEO, JOB)
    clock.now += 2 * HOUR

    assert [estate.give_up_videos(3 * HOUR), estate.give_up_videos(HOUR)] == [0, 1]
    given_up = estate.video("v")
    assert given_up is not None
    assert given_up.status is VideoStatus.FAILED
