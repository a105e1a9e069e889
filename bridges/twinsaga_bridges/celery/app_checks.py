"""What the bridges need of a Celery app. Whatever is missing is an ImproperlyConfigured that says what to do."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.app.backends import by_url
from celery.backends.base import DisabledBackend
from celery.backends.redis import RedisBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import ImproperlyConfigured

from twinsaga_bridges.celery.task_claims import TaskClaims, redis_address

SHOWN_TASKS = 3


def app_itself(app: Celery) -> Celery:
    """Return the app of a proxy such as `celery.current_app`."""
    evaluate = getattr(app, "_get_current_object", None)
    return app if evaluate is None else evaluate()


def require_kept_results(app: Celery) -> None:
    """The outcome of a task whose report was lost is read from the result backend, by another process."""
    cls = _backend_class(app)
    if issubclass(cls, DisabledBackend):
        raise ImproperlyConfigured(
            f"the Celery app {app.main!r} has no result backend, from which the bridge reads the outcome of a task if "
            "its report was lost: set `result_backend` (Celery(..., backend=...)) before this call, on both sides"
        )
    if issubclass(cls, RPCBackend):
        raise ImproperlyConfigured(
            "the result backend rpc:// shows a result only to the process that sent the task: use one that keeps "
            "results, such as redis://"
        )


def require_redis_results(app: Celery) -> None:
    if not issubclass(_backend_class(app), RedisBackend):
        raise ImproperlyConfigured(
            f"tasks of the Celery app {app.main!r} that workflows answer need Redis as the result backend: set "
            "`result_backend` (Celery(..., backend=...)) to a redis:// URL before this call"
        )


def require_same_redis(app: Celery, claims: TaskClaims) -> None:
    """The two sides of the bridge find one another by the claims, so both must use the same Redis."""
    theirs, ours = set(_redis_addresses(app)), claims.address
    if claims.elsewhere or ours is None or not theirs or ours in theirs:
        return
    raise ImproperlyConfigured(
        f"the claims are in the Redis at {ours}, and the Celery app {app.main!r} uses {' and '.join(sorted(theirs))}: "
        "use a database of the app's own Redis, the same in install() and in CeleryTasksPlugin. If you want another "
        "Redis, on both sides, say TaskClaims.at(url, elsewhere=True)"
    )


def refuse_second_install(app: Celery, task_class: type[Any], marker: type[Any]) -> None:
    if issubclass(task_class, marker):
        raise ImproperlyConfigured(
            f"install() was called before for the Celery app {app.main!r}: call it once, straight after `Celery(...)`"
        )


def refuse_late_install(app: Celery) -> None:
    """Celery makes a task from the app's task class when the app is finalized or the task is first used."""
    made = sorted(name for name in vars(app)["_tasks"] if not name.startswith("celery."))
    if made:
        names = ", ".join(made[:SHOWN_TASKS]) + (" and others" if len(made) > SHOWN_TASKS else "")
        raise ImproperlyConfigured(
            f"install() comes too late for {names}: the Celery app {app.main!r} has made its tasks already, because it "
            "is finalized or a task was sent. Call install() straight after `Celery(...)`, before any task is used"
        )


def refuse_eager(app: Celery) -> None:
    """Celery's `send_task` ignores the option, and no worker would get the task."""
    if app.conf.task_always_eager:
        raise ImproperlyConfigured(
            f"task_always_eager is on for the Celery app {app.main!r}, and a task for a workflow needs a worker: "
            "in a test, use `twinsaga_bridges.testing.celery.CeleryTasksInProcess` instead of CeleryTasksPlugin"
        )


def _backend_class(app: Celery) -> type[Any]:
    settings: Any = app
    untyped: Any = by_url  # its types lack the URL that it returns too
    cls: type[Any] = untyped(settings.backend_cls or settings.conf.result_backend, settings.loader)[0]
    return cls


def _redis_addresses(app: Celery) -> Iterator[str]:
    settings: Any = app.conf
    urls = (settings.broker_url, settings.broker_read_url, settings.broker_write_url, settings.result_backend)
    for given in urls:
        for url in str(given or "").split(";") if not isinstance(given, list | tuple) else map(str, given):
            parts = urlsplit(url)
            if parts.scheme in ("redis", "rediss"):
                yield redis_address(parts.hostname, parts.port)
