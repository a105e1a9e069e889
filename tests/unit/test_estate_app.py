"""The settings of the Celery app on which the safety of its tasks rests."""

import pytest
from celery import Celery

from estate.app import celery_app
from estate.tasks import seconds_before_retry
from runtime.settings import Settings
from services.estate.task_names import HAND_OVER_TASKS, VIDEO_RETRIES


@pytest.fixture
def app() -> Celery:
    return celery_app(Settings())


def test_a_task_is_acknowledged_when_it_is_done_and_comes_again_when_its_child_dies(app: Celery) -> None:
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    assert app.conf.worker_prefetch_multiplier == 1


def test_nothing_but_json_is_written_or_read(app: Celery) -> None:
    assert (app.conf.task_serializer, app.conf.result_serializer) == ("json", "json")
    assert app.conf.accept_content == ["json"]


def test_no_message_is_delivered_again_while_its_task_may_run_or_wait_for_its_retry(app: Celery) -> None:
    longest_wait = Settings().video_retry_base_seconds * 2 ** (VIDEO_RETRIES - 1)

    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit + longest_wait


def test_a_video_is_retried_after_one_two_and_four_minutes() -> None:
    assert [seconds_before_retry(Settings(), retries) for retries in range(VIDEO_RETRIES)] == [60, 120, 240]


def test_beat_hands_over_what_was_promised(app: Celery) -> None:
    assert HAND_OVER_TASKS in {entry["task"] for entry in app.conf.beat_schedule.values()}
