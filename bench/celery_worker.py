"""A Celery worker of the estate's kind: `python -m bench.celery_worker`."""

import os
from typing import Any

from celery import signals

from bench.celery_app import bench_worker_app
from runtime import parent_death
from runtime.readiness import announce_ready
from runtime.settings import Settings, load_settings


def main(settings: Settings) -> None:
    parent = os.getpid()
    signals.worker_process_init.connect(lambda **_: parent_death.die_with_parent(parent), weak=False)
    signals.worker_ready.connect(lambda **_: announce_ready(settings), weak=False)
    app: Any = bench_worker_app(settings)
    worker = app.Worker(
        pool="prefork",
        concurrency=settings.celery_concurrency,
        optimization="fair",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()


if __name__ == "__main__":
    main(load_settings())
