"""The tasks of the estate, for the processes that run them. Who only calls them knows their names."""

from datetime import timedelta
from typing import Any

from celery import Celery, Task, signals, states
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from adapters.clock import utc_now
from adapters.ffmpeg import NotAVideo
from domain.errors import Fault
from estate.process_video import VideoCancelled, VideoElsewhere, VideoGivenUp
from estate.task_context import TaskContext, WorkPerProcess
from runtime.retention import forget_before
from runtime.settings import Settings
from services.estate.mails import SEND_EMAIL
from services.estate.task_names import CLEAN_UP, FORGET_WHAT_IS_OLD, HAND_OVER_TASKS, PROCESS_VIDEO, VIDEO_RETRIES

MAIL_RETRIES, LONGEST_MAIL_PAUSE_S = 300, 300
"""A mail server may be away for a day."""


def add_tasks(app: Celery, works: WorkPerProcess) -> None:
    _add_mail(app, works)
    _add_video(app, works)
    _add_sweeps(app, works)

    def note_end(task_id: str, state: str | None, **_: object) -> None:
        if state in states.READY_STATES:
            works.here().estate.ended(task_id)

    signals.task_postrun.connect(note_end, weak=False)


def _add_mail(app: Celery, works: WorkPerProcess) -> None:
    @app.task(name=SEND_EMAIL, bind=True, max_retries=MAIL_RETRIES)
    def send_email(self: "Task[Any, Any]", to: str, subject: str, body: str) -> str:
        """A promised mail that was sent is not sent again, unless the worker dies before it could note that."""
        work, task_id = works.here(), str(self.request.id)
        try:
            if not work.estate.has_ended(task_id):
                work.mail_server.send(task_id, to, subject, body)
        except Fault as fault:
            raise self.retry(exc=fault, countdown=min(2**self.request.retries, LONGEST_MAIL_PAUSE_S)) from fault
        return f"mail sent to {to}"


def _add_video(app: Celery, works: WorkPerProcess) -> None:
    @app.task(name=PROCESS_VIDEO, bind=True, max_retries=VIDEO_RETRIES)
    def process_video(self: "Task[Any, Any]", video_id: str) -> Any:  # noqa: ANN401 - JSON
        work, retries = works.here(), self.request.retries

        def progress(percent: int) -> None:
            self.update_state(state="PROGRESS", meta={"percent": percent, "attempt": retries + 1})

        try:
            redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
            return work.videos.process(video_id, progress, redelivered=redelivered)
        except VideoElsewhere:
            raise Ignore from None
        except VideoCancelled:
            raise
        except (NotAVideo, VideoGivenUp, SoftTimeLimitExceeded) as end:
            work.videos.failed(video_id, str(end) or "it took too long")
            raise
        except Exception as error:
            raise _retried(self, work, video_id, error) from error


def _retried(task: "Task[Any, Any]", work: TaskContext, video_id: str, error: Exception) -> Exception:
    if task.request.retries >= VIDEO_RETRIES:
        work.videos.failed(video_id, str(error))
        return error
    work.videos.will_be_retried(video_id, str(error))
    countdown = seconds_before_retry(work.settings, task.request.retries)
    return task.retry(exc=error, countdown=countdown, throw=False)


def seconds_before_retry(settings: Settings, retries: int) -> float:
    """60 * 2^n by default: `retries` is how many there were."""
    return settings.video_retry_base_seconds * float(2**retries)


def _add_sweeps(app: Celery, works: WorkPerProcess) -> None:
    @app.task(name=HAND_OVER_TASKS, ignore_result=True)
    def hand_over_tasks() -> None:
        work = works.here()
        work.estate.revive_videos(work.videos.silent)
        work.handing_over.hand_over_due()

    @app.task(name=CLEAN_UP, ignore_result=True)
    def clean_up() -> None:
        works.here().clean_up()

    @app.task(name=FORGET_WHAT_IS_OLD, ignore_result=True)
    def forget_what_is_old() -> None:
        work = works.here()
        forget_before(work.services.databases, utc_now() - timedelta(days=work.settings.retention_days))
