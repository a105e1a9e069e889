"""The Celery worker's side of `workflow_into_celery`: signs of life while a task runs, and the report of its end."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Celery, Task, signals, states
from celery.exceptions import Ignore, NotRegistered
from kombu.utils.imports import symbol_by_name
from redis import RedisError

from twinsaga_bridges.celery.app_checks import (
    app_itself,
    refuse_late_install,
    refuse_second_install,
    require_kept_results,
    require_same_redis,
)
from twinsaga_bridges.celery.revocations import on_revoke
from twinsaga_bridges.celery.task_claims import (
    CLAIMS_HEADER,
    StartDecision,
    TaskClaims,
    TaskState,
    WaitingActivity,
    key_and_run,
)
from twinsaga_bridges.celery.task_outcome import Failed, Outcome, Revoked, Succeeded, report
from twinsaga_bridges.client_per_process import ClientPerProcess

REPORT_DEADLINE_S = 20.0
PROGRESS_LIMIT = 16_000
NESTING = 10_000  # more than any task's retries

log = logging.getLogger(__name__)


def install(app: Celery, client: ClientPerProcess, claims: TaskClaims) -> None:
    """Let workflows await the tasks of this app. Call it straight after `Celery(...)`.

    Raises ImproperlyConfigured: it was called before, or comes too late; the app has no result backend; the claims are
    in another Redis than the app's. An eager app, as in a test, needs neither.
    """
    app = app_itself(app)
    settable: Any = app  # its type accepts only a class name here
    base = symbol_by_name(settable.task_cls)
    refuse_second_install(app, base, AwaitedByWorkflows)
    refuse_late_install(app)
    if not app.conf.task_always_eager:
        require_kept_results(app)
        require_same_redis(app, claims)
    tasks = AwaitedTasks(app, client, claims)
    tasks.connect()
    settable.task_cls = _task_class(tasks, base)
    vars(app).pop("Task", None)  # a cached property that may hold the old class already


class AwaitedByWorkflows:
    """Marks the task class of an app for which `install` was called."""


@dataclass(frozen=True, slots=True)
class Run:
    activity: WaitingActivity
    sequence: int
    ended: threading.Event


class AwaitedTasks:
    """Receivers of Celery's signals. Some are sent in a child of the pool, others in the worker's main process."""

    def __init__(self, app: Celery, client: ClientPerProcess, claims: TaskClaims) -> None:
        self._app = app
        self._client = client
        self._claims = claims
        self._runs: dict[str, Run] = {}
        self.dropped: set[str] = set()  # ids of tasks that must not run

    def connect(self) -> None:
        # weak=False: Celery's default is a weak reference, and these bound methods would be collected at once.
        signals.task_prerun.connect(self._of_this_app(self.started), weak=False)
        signals.task_success.connect(self._of_this_app(self.succeeded), weak=False)
        signals.task_failure.connect(self._of_this_app(self.failed), weak=False)
        signals.task_retry.connect(self._of_this_app(self.will_be_retried), weak=False)
        signals.task_postrun.connect(self._of_this_app(self.returned), weak=False)
        signals.task_revoked.connect(self._of_this_app(self.revoked), weak=False)
        signals.task_unknown.connect(self._of_this_app(self.unknown), weak=False)
        signals.worker_ready.connect(self._of_this_app(self.worker_ready), weak=False)
        on_revoke(self.will_be_revoked)

    def _of_this_app(self, receive: Callable[..., None]) -> Callable[..., None]:
        """Celery's signals are sent for all apps of the process. The sender is a task, or the worker's consumer."""

        def receiver(sender: Any, **arguments: Any) -> None:  # noqa: ANN401 - Celery's
            if app_itself(sender.app) is self._app:
                receive(sender=sender, **arguments)

        return receiver

    def worker_ready(self, sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
        queues = sorted(sender.app.amqp.queues.consume_from)
        log.info("workflows can await the tasks of this worker, which reads from the queues: %s", ", ".join(queues))
        try:
            self._claims.add_read_queues(queues)
        except RedisError as error:
            log.warning("a task that is sent to a queue without a worker will not be noticed: %r", error)

    def started(self, task_id: str, task: "Task[Any, Any]", **_: object) -> None:
        if key_and_run(task_id) is None:
            return
        activity = self._claims.waiting_activity(task_id)
        sent_from = (task.request.headers or {}).get(CLAIMS_HEADER)
        if activity is None and sent_from not in (None, self._claims.place):
            log.error(
                "task %s has no claim: its sender keeps them at %s, this worker at %s; use the same in install() "
                "and in CeleryTasksPlugin",
                task_id,
                sent_from,
                self._claims.place,
            )
        heartbeat_timeout_s = activity.heartbeat_timeout.total_seconds() if activity else 0.0
        if self._start(task_id, task, heartbeat_timeout_s) is StartDecision.DROP:
            log.info("task %s is dropped: it has run, runs elsewhere or was cancelled", task_id)
            self.dropped.add(task_id)
        elif activity is not None:
            run = Run(activity, _sequence(task.request), threading.Event())
            self._runs[task_id] = run
            threading.Thread(target=self._keep_alive, args=(task_id, run), name=f"alive-{task_id}", daemon=True).start()

    def progressed(self, task_id: str, state: str | None, meta: object) -> None:
        if task_id not in self._runs or state in states.READY_STATES:
            return
        details = json.dumps({"state": state, "meta": meta}, default=str)
        if len(details) > PROGRESS_LIMIT:
            details = json.dumps({"state": state, "meta": "too large for a heartbeat"})
        self._claims.store_progress(task_id, details)

    def succeeded(self, sender: "Task[Any, Any]", result: object, **_: object) -> None:
        self._end(str(sender.request.id), Succeeded(result))

    def failed(self, task_id: str, exception: BaseException, einfo: object = None, **_: object) -> None:
        self._end(task_id, Failed(exception, str(getattr(einfo, "traceback", "") or "")))

    def revoked(self, request: Any, *, expired: bool = False, **_: object) -> None:  # noqa: ANN401 - Celery's request
        self._end(str(request.id), Revoked("not started before it expired" if expired else "revoked"))

    def will_be_revoked(self, task_id: str) -> bool:
        if key_and_run(task_id):
            # The claim lasts, and the watch over the task reports it. A running task is left to Celery.
            self._claims.cancel(task_id)
        return True

    def unknown(self, id: str, name: str, **_: object) -> None:  # noqa: A002 - the signal's argument
        self._end(id, Failed(NotRegistered(f"the Celery worker has no task {name}")))

    def will_be_retried(self, request: Any, **_: object) -> None:  # noqa: ANN401 - as above
        if key_and_run(str(request.id)):
            self._claims.requeue(str(request.id), _sequence(request), TaskState.SENT)

    def returned(self, task_id: str, state: str | None = None, retval: Any = None, **_: object) -> None:  # noqa: ANN401
        self.dropped.discard(task_id)
        if state == states.REJECTED and not retval.requeue:  # `retval` is the Reject
            self._end(task_id, Failed(retval))  # below 5.7 Celery sends no `task_failure` for it
        run = self._runs.pop(task_id, None)
        if run is None:
            return
        run.ended.set()
        if state == states.IGNORED:
            self._claims.requeue(task_id, run.sequence, TaskState.RELEASED)

    def _start(self, task_id: str, task: "Task[Any, Any]", heartbeat_timeout_s: float) -> StartDecision:
        sequence, acks_late = _sequence(task.request), bool(task.acks_late)
        decision = self._claims.start(task_id, sequence=sequence, acks_late=acks_late)
        if decision is not StartDecision.DOUBTFUL:
            return decision
        if not self._other_run_is_dead(task_id, heartbeat_timeout_s):
            if (task.request.delivery_info or {}).get("redelivered"):
                # Dropping this copy acknowledges it at the broker, so if the first run dies there is no third copy.
                self._claims.expect_no_redelivery(task_id)
            return StartDecision.DROP
        return self._claims.start(task_id, sequence=sequence, acks_late=acks_late, sure=True)

    def _other_run_is_dead(self, task_id: str, heartbeat_timeout_s: float) -> bool:
        """Wait up to a heartbeat timeout for a sign of life from the run that the claim records."""
        last_seen, deadline = self._claims.signs_of_life(task_id), time.monotonic() + heartbeat_timeout_s
        while time.monotonic() < deadline:
            time.sleep(heartbeat_timeout_s / 20)
            if (seen := self._claims.signs_of_life(task_id)) != last_seen:
                return seen is None
        return True

    def _keep_alive(self, task_id: str, run: Run) -> None:
        while not run.ended.wait(run.activity.check_interval_s):
            try:
                self._claims.mark_alive(task_id, run.activity)
            except RedisError as error:
                log.warning("no sign of life of task %s: %r", task_id, error)

    def _end(self, task_id: str, outcome: Outcome) -> None:
        if key_and_run(task_id) is None:
            return
        run = self._runs.get(task_id)
        activity = run.activity if run else self._claims.waiting_activity(task_id)
        if run:
            run.ended.set()
        # The claim before the report: a new attempt of the activity reads the claim, and a lost report is recovered
        # from it and the result backend.
        if activity is None or not self._claims.finish(task_id, failed=isinstance(outcome, Failed)):
            return
        reporting = partial(report, activity=activity, outcome=outcome)
        if run:
            self._client.call(reporting, REPORT_DEADLINE_S)
        else:
            # This is the worker's main process, which must not block: it consumes the messages of all children.
            self._client.start(reporting, REPORT_DEADLINE_S, f"report of {task_id}")


def _task_class(tasks: AwaitedTasks, base: type[Any]) -> type[Any]:
    # The app's own base class, unknown to the type checker.
    class AwaitedTask(base, AwaitedByWorkflows):  # type: ignore[misc]
        abstract = True

        def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if task_id in tasks.dropped:
                raise Ignore
            super().before_start(task_id, args, kwargs)

        def update_state(
            self, task_id: str | None = None, state: str | None = None, meta: object = None, **kwargs: object
        ) -> None:
            super().update_state(task_id, state, meta, **kwargs)
            tasks.progressed(task_id or self.request.id, state, meta)

    return AwaitedTask


def _sequence(request: Any) -> int:  # noqa: ANN401 - Celery's request
    """Return a number that grows with each of Celery's own retries of a task, and with each replacement of it."""
    return int(request.replaced_task_nesting or 0) * NESTING + int(request.retries or 0)
