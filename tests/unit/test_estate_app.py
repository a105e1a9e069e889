"""The Celery app has the settings that its tasks need to be safe, and its worker loads no web framework."""

import subprocess
import sys

import pytest
from celery import Celery

from estate.app import celery_app
from estate.tasks import seconds_before_retry
from runtime.settings import Settings
from services.estate.task_names import HAND_OVER_TASKS, VIDEO_RETRIES

LOAD_ALL_OF_THE_WORKER = """
import sys
from processes.celery_worker import estate_app
from estate.task_context import TaskContexts
from estate.video_workflows import VideoWorkflows
from runtime.settings import Settings

settings = Settings()
estate_app(settings).finalize()
TaskContexts(settings, VideoWorkflows(settings)).current()
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture
def app() -> Celery:
    return celery_app(Settings())


def test_a_task_is_acknowledged_after_it_ran_and_redelivered_if_its_child_dies(app: Celery) -> None:
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    assert app.conf.worker_prefetch_multiplier == 1


def test_tasks_and_results_are_json_only(app: Celery) -> None:
    assert (app.conf.task_serializer, app.conf.result_serializer) == ("json", "json")
    assert app.conf.accept_content == ["json"]


def test_no_message_is_redelivered_while_its_task_may_run_or_wait_for_its_retry() -> None:
    longest = Settings(task_time_limit_seconds=86_400, video_retry_base_seconds=3_600)
    longest_wait = longest.video_retry_base_seconds * 2 ** (VIDEO_RETRIES - 1)
    conf = celery_app(longest).conf

    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit + longest_wait


def test_a_video_is_retried_after_one_two_and_four_minutes() -> None:
    assert [seconds_before_retry(Settings(), retries) for retries in range(VIDEO_RETRIES)] == [60, 120, 240]


def test_beat_schedules_the_sweep_of_the_task_outbox(app: Celery) -> None:
    assert HAND_OVER_TASKS in {entry["task"] for entry in app.conf.beat_schedule.values()}


def test_the_celery_worker_loads_no_web_framework() -> None:
    command = [sys.executable, "-P", "-c", LOAD_ALL_OF_THE_WORKER]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no shell

    assert "'celery'" in loaded
    assert "'temporalio'" in loaded
    assert not [name for name in ("fastapi", "starlette", "uvicorn") if f"'{name}'" in loaded]
