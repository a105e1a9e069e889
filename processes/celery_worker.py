"""`twinsaga serve celery-worker`: a prefork Celery worker for the tasks of the estate, except videos."""

import os
import signal
import threading
from functools import partial
from socket import gethostname
from typing import Any

from celery import Celery, signals
from celery.apps import worker as celery_apps
from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from estate.app import QUEUE, celery_app
from estate.place_order import add_place_order
from estate.refused_messages import RefusedMessages
from estate.taken_messages import TakenMessages
from estate.task_context import TaskContexts
from estate.task_metrics import queue_lengths
from estate.task_spans import TaskSpans
from estate.tasks import add_tasks
from estate.video_workflows import VideoWorkflows
from estate.worker_consumer import consumer_class
from messaging.kafka.scraped_metrics import ScrapedMetrics, Source
from runtime import parent_death
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import leave_anyway, stop_event
from twinsaga_bridges.workflow_into_celery import TaskClaims, install

FINISH_TASKS_S = 5.0
LEAVE_ANYWAY_S = 9.0


def main(settings: Settings) -> None:
    run_worker(settings, "celery-worker", queue=QUEUE, concurrency=settings.celery_concurrency)


def run_worker(settings: Settings, process: str, *, queue: str, concurrency: int) -> None:
    """Run until SIGTERM. A task that is not finished five seconds later goes back to the broker and runs elsewhere.

    `process` names it in traces and metrics, and to Celery: workers on one machine need different names, to hear
    Celery's broadcasts each.
    """
    stop = stop_event()
    # Otherwise a prefork child would outlive a killed worker, and finish a task that another worker runs again.
    parent = os.getpid()
    signals.worker_process_init.connect(lambda **_: parent_death.die_with_parent(parent), weak=False)
    # Celery configures no logs of its own if this signal has a receiver.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    signals.worker_ready.connect(lambda **_: announce_ready(settings), weak=False)
    TaskSpans(process).connect()
    app, put_aside = estate_app(settings), RefusedMessages(Redis.from_url(settings.own_redis_url)).put_aside
    broker = Redis.from_url(settings.celery_broker_url)
    taken = TakenMessages(app, broker, settings.celery_lease_seconds)
    app.conf.broker_transport = "estate.broker_transport:Transport"
    app.conf.broker_transport_options |= {"put_aside": put_aside}
    worker: Any = _Worker(
        app=app,
        consumer_cls=consumer_class(taken, put_aside),
        pool="prefork",
        hostname=f"{process.removesuffix('-worker')}@{gethostname()}",
        queues=[queue],
        concurrency=concurrency,
        optimization="fair",
        quiet=True,
        without_gossip=True,
        without_mingle=True,  # mingling waits a second for other workers
    )
    worker.stop_event = stop
    waiting = Source("redis", (RedisError,), partial(queue_lengths, Redis.from_url(settings.celery_broker_url), queue))
    with metrics_served(settings, ScrapedMetrics(process, [waiting])):
        worker.start()


def estate_app(settings: Settings) -> Celery:
    app, workflows = celery_app(settings), VideoWorkflows(settings)
    contexts = TaskContexts(settings, workflows)
    add_tasks(app, contexts)
    add_place_order(app, contexts, workflows)
    install(app, workflows.client, TaskClaims.at(settings.own_redis_url))
    return app


class _Worker(celery_apps.Worker):
    """Replaces Celery's signal handlers, which wait for running tasks without a limit."""

    stop_event: threading.Event

    def install_platform_tweaks(self, worker: Any) -> None:  # noqa: ANN401 - Celery's
        # SIGQUIT is Celery's cold shutdown: it puts unfinished tasks back.
        untyped: Any = celery_apps
        untyped.install_worker_term_hard_handler(worker, sig="SIGQUIT", verbose=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if self.stop_event.is_set():
            self._stop()

    def _stop(self, *_: object) -> None:
        state.should_stop = 0  # type: ignore[assignment] # an exit code
        leave_anyway(LEAVE_ANYWAY_S)
        cold = threading.Timer(FINISH_TASKS_S, os.kill, (os.getpid(), signal.SIGQUIT))
        cold.daemon = True
        cold.start()
