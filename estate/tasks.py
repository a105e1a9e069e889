"""The tasks of the estate, for the worker. Callers need only their names, in `services.estate.task_names`."""

from datetime import timedelta
from typing import Any

import structlog
from celery import Celery, Task, signals, states
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from adapters.clock import utc_now
from adapters.ffmpeg import NotAVideo
from estate.process_video import VideoCancelled, VideoElsewhere, VideoGivenUp, parsed_id
from estate.task_context import TaskContext, TaskContexts
from messaging.errors import Fault
from runtime.retention import forget_before
from runtime.settings import Settings
from services.estate.mails import SEND_EMAIL
from services.estate.task_names import CLEAN_UP, FORGET_WHAT_IS_OLD, HAND_OVER_TASKS, PROCESS_VIDEO, VIDEO_RETRIES
from twinsaga_bridges.celery.revocations import was_revoked

log = structlog.get_logger(__name__)

MAIL_RETRIES, LONGEST_MAIL_PAUSE_S = 300, 300
"""Together about a day, for which the mail server may be away."""


def add_tasks(app: Celery, contexts: TaskContexts) -> None:
    _add_mail(app, contexts)
    _add_video(app, contexts)
    _add_sweeps(app, contexts)

    def mark_ended(task_id: str, state: str | None, **_: object) -> None:
        if state in states.READY_STATES:
            contexts.current().estate.ended(task_id)

    # For every way a task can end. A retry is not a READY state, so a retried task stays open in the outbox.
    signals.task_postrun.connect(mark_ended, weak=False)


def _add_mail(app: Celery, contexts: TaskContexts) -> None:
    @app.task(name=SEND_EMAIL, bind=True, max_retries=MAIL_RETRIES)
    def send_email(self: "Task[Any, Any]", to: str, subject: str, body: str) -> str:
        """Send the mail once. A worker that dies while it sends sends it again, with the same id."""
        context, task_id = contexts.current(), str(self.request.id)
        if was_revoked(self):
            context.estate.ended(task_id)  # else the sweep would send it again
            raise Ignore
        try:
            if not context.estate.has_ended(task_id):
                context.mail_claims.send_once(task_id, lambda: context.mail_server.send(task_id, to, subject, body))
        except Fault as fault:
            # MailRefused is not a Fault: the task fails at once, since a retry would be refused too.
            raise self.retry(exc=fault, countdown=min(2**self.request.retries, LONGEST_MAIL_PAUSE_S)) from fault
        log.debug("mail sent", task_id=task_id)
        return "sent"  # a result that Flower shows


def _add_video(app: Celery, contexts: TaskContexts) -> None:
    @app.task(name=PROCESS_VIDEO, bind=True, max_retries=VIDEO_RETRIES)
    def process_video(self: "Task[Any, Any]", video_id: str) -> Any:  # noqa: ANN401 - JSON
        context, retries, video_id = contexts.current(), self.request.retries, parsed_id(video_id)

        def progress(percent: int) -> None:
            self.update_state(state="PROGRESS", meta={"percent": percent, "attempt": retries + 1})

        try:
            redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
            return context.videos.compress_and_store(video_id, progress, redelivered=redelivered)
        except VideoElsewhere:
            raise Ignore from None  # the other attempt stores the result under this task id
        except VideoCancelled:
            raise
        except (NotAVideo, VideoGivenUp, SoftTimeLimitExceeded) as end:
            context.videos.failed(video_id, str(end) or "it took too long")
            raise
        except Exception as error:
            raise _retried(self, context, video_id, error) from error


def _retried(task: "Task[Any, Any]", context: TaskContext, video_id: str, error: Exception) -> Exception:
    if task.request.retries >= VIDEO_RETRIES:
        context.videos.failed(video_id, str(error))
        return error
    context.videos.will_be_retried(video_id, str(error))
    countdown = seconds_before_retry(context.settings, task.request.retries)
    return task.retry(exc=error, countdown=countdown, throw=False)


def seconds_before_retry(settings: Settings, retries: int) -> float:
    """By default 60 * 2^n. `retries` counts those before this one."""
    return settings.video_retry_base_seconds * float(2**retries)


def _add_sweeps(app: Celery, contexts: TaskContexts) -> None:
    @app.task(name=HAND_OVER_TASKS, ignore_result=True)
    def hand_over_tasks() -> None:
        context = contexts.current()
        context.estate.requeue_silent_videos(context.videos.silent_for)
        context.task_outbox.send_due()

    @app.task(name=CLEAN_UP, ignore_result=True)
    def clean_up() -> None:
        contexts.current().clean_up()

    @app.task(name=FORGET_WHAT_IS_OLD, ignore_result=True)
    def forget_what_is_old() -> None:
        context = contexts.current()
        forget_before(context.services.databases, utc_now() - timedelta(days=context.settings.retention_days))
