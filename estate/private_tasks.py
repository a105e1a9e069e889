"""Keeps the arguments of tasks out of Celery's events and of the workers' answers: Flower shows both.

Orders contain addresses and card tokens, mails contain addresses and letters. Only the id of a video is shown.
"""

from typing import Any

from celery import Task
from celery.app.amqp import AMQP
from celery.worker.request import Request

from services.estate.task_names import PROCESS_VIDEO

HIDDEN = "(...)"
SHOWN = frozenset({PROCESS_VIDEO})


class PrivateAmqp(AMQP):
    """For senders. Celery's own retries are senders, too."""

    def as_task_v2(self, task_id: str, name: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's
        if name not in SHOWN:
            options |= {"argsrepr": HIDDEN, "kwargsrepr": HIDDEN}
        return super().as_task_v2(task_id, name, *rest, **options)


class PrivateRequest(Request):
    """For workers: the sender may be a program of somebody else."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Celery's
        super().__init__(*args, **options)
        if self.task_name not in SHOWN:
            self._argsrepr = self._kwargsrepr = HIDDEN

    def info(self, safe: bool = True) -> Any:  # noqa: ANN401, ARG002 - Celery's; its own default shows everything
        return super().info(safe=True)


class PrivateTask(Task):  # type: ignore[type-arg] # any
    Request = "estate.task_metrics:MeasuredRequest"
