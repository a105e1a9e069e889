"""The Celery worker's side of `workflow_into_celery`: signs of life while a task runs, and its end."""

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from celery import Task, signals, states
from celery.exceptions import NotRegistered
from redis import RedisError

from twinsaga_bridges.celery.task_call import AwaitedBy, key_and_run
from twinsaga_bridges.celery.task_claims import Start, TaskClaims, TaskState
from twinsaga_bridges.celery.task_outcome import Ending, Failed, Revoked, Succeeded, report
from twinsaga_bridges.client_per_process import ClientPerProcess

REPORT_DEADLINE_S = 20.0
PROGRESS_LIMIT = 16_000
NESTING = 10_000  # more than a task's retries

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    by: AwaitedBy
    order: int
    ended: threading.Event


class TasksThatWorkflowsAwait:
    """Receivers of Celery's signals. A pool's child and the worker's main process each see a part of them."""

    def __init__(self, client: ClientPerProcess, claims: TaskClaims) -> None:
        self._client = client
        self._claims = claims
        self._runs: dict[str, Run] = {}
        self._dropped: set[str] = set()

    def connect(self) -> None:
        # Celery keeps receivers weakly unless told otherwise.
        signals.task_prerun.connect(self.started, weak=False)
        signals.task_success.connect(self.succeeded, weak=False)
        signals.task_failure.connect(self.failed, weak=False)
        signals.task_retry.connect(self.will_be_retried, weak=False)
        signals.task_postrun.connect(self.left, weak=False)
        signals.task_revoked.connect(self.revoked, weak=False)
        signals.task_unknown.connect(self.unknown, weak=False)

    def started(self, task_id: str, task: Task[Any, Any], **_: object) -> None:
        by = self._claims.awaited_by(task_id)
        if by is None:
            if key_and_run(task_id) and self._start(task_id, task, 0.0) is Start.DROP:
                self._dropped.add(task_id)
            return
        if self._start(task_id, task, by.heartbeat_timeout.total_seconds()) is Start.DROP:
            log.info("task %s has run, runs elsewhere or is not wanted any more: dropped", task_id)
            self._dropped.add(task_id)
            return
        run = Run(by, _order(task), threading.Event())
        self._runs[task_id] = run
        threading.Thread(target=self._live, args=(task_id, run), name=f"pulse-{task_id}", daemon=True).start()

    def must_not_run(self, task_id: str) -> bool:
        return task_id in self._dropped

    def progressed(self, task_id: str, state: str | None, meta: object) -> None:
        if task_id not in self._runs or state in states.READY_STATES:
            return
        details = json.dumps({"state": state, "meta": meta}, default=str)
        if len(details) > PROGRESS_LIMIT:
            details = json.dumps({"state": state, "meta": "too large for a heartbeat"})
        self._claims.progress(task_id, details)

    def succeeded(self, sender: Task[Any, Any], result: object, **_: object) -> None:
        self._end(str(sender.request.id), Succeeded(result))

    def failed(self, task_id: str, exception: BaseException, einfo: object = None, **_: object) -> None:
        self._end(task_id, Failed(exception, str(getattr(einfo, "traceback", "") or "")))

    def revoked(self, request: Any, *, expired: bool = False, **_: object) -> None:  # noqa: ANN401 - Celery's request
        self._end(str(request.id), Revoked("not taken before it expired" if expired else "revoked"))

    def unknown(self, id: str, name: str, **_: object) -> None:  # noqa: A002 - the signal's argument
        self._end(id, Failed(NotRegistered(f"no Celery worker knows the task {name}")))

    def will_be_retried(self, request: Any, **_: object) -> None:  # noqa: ANN401 - as above
        if key_and_run(str(request.id)):
            self._claims.waits_again(str(request.id), _order_of(request), TaskState.SENT)

    def left(self, task_id: str, state: str | None = None, **_: object) -> None:
        self._dropped.discard(task_id)
        run = self._runs.pop(task_id, None)
        if run is None:
            return
        run.ended.set()
        if state == states.IGNORED:
            self._claims.waits_again(task_id, run.order, TaskState.RELEASED)

    def _start(self, task_id: str, task: Task[Any, Any], silence_s: float) -> Start:
        answer = self._claims.start(task_id, order=_order(task), acks_late=bool(task.acks_late))
        if answer is not Start.DOUBTFUL:
            return answer
        if not self._falls_silent(task_id, silence_s):
            if (task.request.delivery_info or {}).get("redelivered"):
                # Dropping the broker's second copy acknowledges it: should the first run die, no third one comes.
                self._claims.nobody_will_deliver_again(task_id)
            return Start.DROP
        return self._claims.start(task_id, order=_order(task), acks_late=bool(task.acks_late), sure=True)

    def _falls_silent(self, task_id: str, silence_s: float) -> bool:
        """Does the one that is said to run this task give no sign of life for as long as one may last?"""
        last_seen, deadline = self._claims.pulses(task_id), time.monotonic() + silence_s
        while time.monotonic() < deadline:
            time.sleep(silence_s / 20)
            if (pulses := self._claims.pulses(task_id)) != last_seen:
                return pulses is None
        return True

    def _live(self, task_id: str, run: Run) -> None:
        while not run.ended.wait(run.by.pulse_s):
            try:
                self._claims.pulse(task_id, run.by)
            except RedisError as error:
                log.warning("no sign of life of task %s: %r", task_id, error)

    def _end(self, task_id: str, ending: Ending) -> None:
        """The record first: it is what a new attempt of the activity goes by. A report that is lost is mended."""
        if key_and_run(task_id) is None:
            return
        run = self._runs.get(task_id)
        by = run.by if run else self._claims.awaited_by(task_id)
        if run:
            run.ended.set()
        if by is None or not self._claims.finish(task_id, failed=isinstance(ending, Failed)):
            return
        if run:
            self._client.call(lambda client: report(client, by, ending), REPORT_DEADLINE_S)
        else:  # in the worker's main process, which must go on consuming
            self._client.start(lambda client: report(client, by, ending), REPORT_DEADLINE_S, f"report of {task_id}")


def _order(task: Task[Any, Any]) -> int:
    return _order_of(task.request)


def _order_of(request: Any) -> int:  # noqa: ANN401 - Celery's request
    """Grows with each of Celery's own retries of a task, and with each replacement of it."""
    return int(request.replaced_task_nesting or 0) * NESTING + int(request.retries or 0)
