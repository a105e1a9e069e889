"""Metrics of Celery tasks. A worker's parent process counts them: its children, which run the tasks, serve none."""

import time
from collections.abc import Sequence
from typing import Any, Final

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from redis import Redis

from estate.private_tasks import PrivateRequest

TASKS = Counter("twinsaga_celery_tasks", "Runs of tasks that have ended, by outcome", ["task", "outcome"])
TASK_SECONDS = Histogram(
    "twinsaga_celery_task_seconds",
    "Duration of a run of a task",
    ["task"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0),
)
OUTCOMES: Final = {f"task-{outcome}": outcome for outcome in ("succeeded", "failed", "retried", "revoked", "rejected")}
"""By the event that Celery sends of it."""


class MeasuredRequest(PrivateRequest):
    """A message for an unknown task makes no request, so that the names of tasks are ours."""

    def send_event(self, type: str, **fields: Any) -> Any:  # noqa: A002, ANN401 - Celery's
        if type in OUTCOMES:
            TASKS.labels(self.task_name, OUTCOMES[type]).inc()
            if self.time_start is not None:
                TASK_SECONDS.labels(self.task_name).observe(max(0.0, time.time() - self.time_start))
        return super().send_event(type, **fields)


def queue_lengths(broker: Redis, queue: str) -> Sequence[GaugeMetricFamily]:
    """Raises RedisError."""
    waiting = GaugeMetricFamily(
        "twinsaga_celery_queue_length", "Messages that no worker has taken yet", labels=["queue"]
    )
    waiting.add_metric([queue], broker.llen(queue))
    return [waiting]
