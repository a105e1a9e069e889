"""The Celery app of the estate: for workers, beat, Flower and the processes that only send tasks."""

from celery import Celery

from estate.task_spans import pass_traces_on
from runtime.settings import Settings
from services.estate.task_names import CLEAN_UP, HAND_OVER_TASKS, PROCESS_VIDEO

QUEUE = "twinsaga"
VIDEO_QUEUE = "twinsaga.videos"
CLEAN_EVERY_S = 300.0
VISIBILITY_S = 7 * 24 * 3600
"""Longer than any task runs. A dead worker's messages come back far earlier, when its lease expires."""
CONNECT_DEADLINE_S = 2.0
LOST_WAIT_S = 2.0
"""How long the parent waits for the result of a child that died. Then the task goes back to the broker."""
ANSWER_DEADLINE_S = 10.0


def celery_app(settings: Settings) -> Celery:
    """Connections open at first use."""
    pass_traces_on()
    app = Celery(
        "twinsaga",
        broker=settings.celery_broker_url,
        backend=settings.celery_results_url,
        amqp="estate.private_tasks:PrivateAmqp",
        task_cls="estate.private_tasks:PrivateTask",
    )
    limit = settings.task_time_limit_seconds
    app.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE,
        task_routes={PROCESS_VIDEO: {"queue": VIDEO_QUEUE}},
        task_acks_late=True,  # together with the next line: a task whose child dies is delivered again
        task_reject_on_worker_lost=True,
        task_track_started=True,
        task_time_limit=limit,
        task_soft_time_limit=limit - 30,  # time to mark the video as failed before the child is killed
        task_send_sent_event=True,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,  # a video of half an hour must not hold back prefetched ones
        worker_lost_wait=LOST_WAIT_S,
        worker_cancel_long_running_tasks_on_connection_loss=True,  # the broker redelivers them: not twice at once
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_DEADLINE_S,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_S,
            "socket_connect_timeout": CONNECT_DEADLINE_S,
            "socket_timeout": ANSWER_DEADLINE_S,
        },
        redis_socket_connect_timeout=CONNECT_DEADLINE_S,
        redis_socket_timeout=ANSWER_DEADLINE_S,
        result_expires=24 * 3600,
        beat_schedule=_schedule(settings),
        beat_max_loop_interval=settings.estate_sweep_seconds,
        timezone="UTC",
    )
    return app


def _schedule(settings: Settings) -> dict[str, object]:
    # A third one has moved to a Temporal Schedule: see `estate.schedules`.
    # A sweep that waited too long for a worker expires: the next one does its work.
    return {
        name: {"task": task, "schedule": every, "options": {"expires": every * 2, "ignore_result": True}}
        for name, task, every in (
            ("hand over tasks", HAND_OVER_TASKS, settings.estate_sweep_seconds),
            ("clean up", CLEAN_UP, CLEAN_EVERY_S),
        )
    }
