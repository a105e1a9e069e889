"""Which Celery tasks wait for a workflow, for the worker that shows them the progress of a task that it awaits."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery import Celery, states
from celery.backends.redis import RedisBackend
from redis import WatchError

PROGRESS = "PROGRESS"
MAX_SHOWN_TO = 20
"""The newest tasks of a workflow; others see no progress of a task that it awaits."""

KEPT = timedelta(days=30)


def _key(workflow_id: str) -> str:
    return f"celery-workflow-callers-{workflow_id}"


def remember_caller(backend: Any, workflow_id: str, task_id: str) -> None:  # noqa: ANN401 - a Redis backend
    key = _key(workflow_id)
    with backend.client.pipeline(transaction=True) as pipeline:
        pipeline.zadd(key, {task_id: time.time()})
        pipeline.zremrangebyrank(key, 0, -MAX_SHOWN_TO - 1)
        pipeline.expire(key, KEPT)
        pipeline.execute()


def pass_on_progress(app: Celery, workflow_id: str, progress: Mapping[str, Any]) -> bool:
    """Add the progress of a task that the workflow awaits to that of the tasks that wait for it.

    Return False if one of them shows no progress yet, so that it must be passed on again.
    """
    if not isinstance(app.backend, RedisBackend):
        return True  # its tasks cannot be answered by workflows
    backend: Any = app.backend
    waiting = backend.client.zrange(_key(workflow_id), 0, -1)
    passed_on = [_passed_on(backend, task_id.decode(), progress) for task_id in waiting]
    return all(passed_on)


def _passed_on(backend: Any, task_id: str, progress: Mapping[str, Any]) -> bool:  # noqa: ANN401 - as above
    key = backend.get_key_for_task(task_id)
    # Watched: what is stored meanwhile, for example a failure, must not be overwritten.
    with backend.client.pipeline() as pipeline:
        pipeline.watch(key)
        stored = pipeline.get(key)
        meta = backend.decode(stored) if stored else {}
        if meta.get("status") != PROGRESS:
            return not stored or meta.get("status") in states.READY_STATES
        value = backend.encode({**meta, "result": {**meta["result"], "progress": progress}})
        pipeline.multi()
        pipeline.set(key, value, ex=backend.expires or None)
        pipeline.publish(key, value)
        try:
            pipeline.execute()
        except WatchError:
            return False
    return True
