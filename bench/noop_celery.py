"""A Celery app like the estate's, with a no-op task. As a program it is the worker: `python -m bench.noop_celery`."""

import os
from functools import partial
from typing import Any

from celery import Celery, signals

from bench.noop_workflows import CELERY_QUEUE, NOOP_TASK
from estate.app import celery_app
from runtime import parent_death
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings
from runtime.temporal import connect
from twinsaga_bridges.workflow_into_celery import ClientPerProcess, TaskClaims, install


def bench_app(settings: Settings) -> Celery:
    """Return the app for a process that only sends tasks."""
    app = celery_app(settings)
    app.conf.update(task_default_queue=CELERY_QUEUE, beat_schedule={})
    return app


def main(settings: Settings) -> None:
    parent = os.getpid()
    # The tie to the parent is not inherited by a fork, so each pool process makes its own.
    signals.worker_process_init.connect(lambda **_: parent_death.die_with_parent(parent), weak=False)
    signals.worker_ready.connect(lambda **_: announce_ready(settings), weak=False)
    app: Any = bench_app(settings)
    install(app, ClientPerProcess(partial(connect, settings)), TaskClaims.at(settings.own_redis_url))
    app.task(nothing, name=NOOP_TASK)
    worker = app.Worker(
        pool="prefork",
        concurrency=settings.celery_concurrency,
        optimization="fair",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()


def nothing() -> None:
    """Measures what a task costs before it does any work."""


if __name__ == "__main__":
    main(load_settings())
