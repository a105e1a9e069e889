"""The estate's Celery app, with a task that does nothing and a queue of its own."""

from functools import partial

from celery import Celery

from bench.awaiting_workflow import CELERY_QUEUE, NOTHING_TASK
from estate.app import celery_app
from runtime.settings import Settings
from runtime.temporal import connect
from twinsaga_bridges.workflow_into_celery import ClientPerProcess, TaskClaims, install


def bench_app(settings: Settings) -> Celery:
    """For whoever only sends tasks."""
    app = celery_app(settings)
    app.conf.update(task_default_queue=CELERY_QUEUE, beat_schedule={})
    return app


def bench_worker_app(settings: Settings) -> Celery:
    app = bench_app(settings)
    install(app, ClientPerProcess(partial(connect, settings)), TaskClaims.at(settings.own_redis_url))

    @app.task(name=NOTHING_TASK)
    def nothing() -> None:
        """What a task costs before it does anything."""

    return app
