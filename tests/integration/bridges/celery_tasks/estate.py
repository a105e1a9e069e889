"""An ordinary Celery application; only `install` and `answered` involve Temporal. Started by `celery -A`."""

import json
import os
import signal
import time
from datetime import timedelta
from typing import Any

from celery import Celery, Task, signals
from celery.exceptions import Ignore, Reject
from redis import Redis
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from tests.integration.bridges.celery_tasks.engines import DIE_IN_SUCCESS
from tests.integration.bridges.celery_tasks.ordinary_tasks import add_ordinary_tasks
from twinsaga_bridges.celery_into_workflow import StartWorkflow, TasksAnsweredByWorkflows
from twinsaga_bridges.workflow_into_celery import ClientPerProcess, TaskClaims, install

GATE_DEADLINE_S = 60.0

app = Celery("estate", broker=os.environ["ESTATE_BROKER"], backend=os.environ["ESTATE_RESULTS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    result_chord_join_timeout=10,
    broker_transport_options={"visibility_timeout": int(os.environ.get("ESTATE_VISIBILITY_S", "3600"))},
)


@signals.task_success.connect(weak=False)
def die_before_the_bridge_reports(result: object, **_: object) -> None:
    if result == DIE_IN_SUCCESS:
        os.kill(os.getpid(), signal.SIGKILL)


temporal = ClientPerProcess(lambda runtime: Client.connect(os.environ["ESTATE_TEMPORAL"], runtime=runtime))
install(app, temporal, TaskClaims.at(os.environ["ESTATE_CLAIMS"]))
add_ordinary_tasks(app)


def notes() -> Redis:
    return Redis.from_url(os.environ["ESTATE_NOTES"])


def note(token: str, **what: object) -> None:
    notes().rpush(f"ran:{token}", json.dumps({"pid": os.getpid(), **what}))


def wait_at_gate(token: str) -> None:
    deadline = time.monotonic() + GATE_DEADLINE_S
    while not notes().exists(f"gate:{token}"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the gate {token} was not opened")
        time.sleep(0.02)


@app.task(name="estate.add")
def add(left: int, right: int) -> int:
    return left + right


@app.task(name="estate.nap")
def nap(token: str, seconds: float) -> str:
    note(token, at_once=notes().incr(f"at-once:{token}"))
    time.sleep(seconds)
    notes().decr(f"at-once:{token}")
    return token


@app.task(name="estate.hold", bind=True)
def hold(self: "Task[Any, Any]", token: str, result: str = "held") -> str:
    note(token, task_id=self.request.id)
    wait_at_gate(token)
    return result


@app.task(name="estate.hold_late", acks_late=True, reject_on_worker_lost=True)
def hold_late(token: str) -> str:
    note(token)
    wait_at_gate(token)
    return "held"


@app.task(name="estate.raise_key_error")
def raise_key_error(token: str) -> None:
    note(token)
    raise KeyError("no such thing")


@app.task(name="estate.third_time", bind=True, autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
def third_time(self: "Task[Any, Any]", token: str) -> int:
    note(token)
    if self.request.retries < 2:
        raise ValueError("not yet")
    return self.request.retries + 1


@app.task(name="estate.later", bind=True)
def later(self: "Task[Any, Any]", token: str) -> str:
    note(token)
    if self.request.retries == 0:
        raise self.retry(countdown=2)
    return "later"


@app.task(name="estate.never_right", bind=True, autoretry_for=(ValueError,), max_retries=1, default_retry_delay=0)
def never_right(_self: "Task[Any, Any]", token: str) -> None:
    note(token)
    raise ValueError("wrong again")


@app.task(name="estate.second_run")
def second_run(token: str) -> str:
    note(token)
    if notes().llen(f"ran:{token}") < 2:
        raise ConnectionError("a first run always fails")
    return "ran twice"


@app.task(name="estate.report_progress", bind=True)
def report_progress(self: "Task[Any, Any]", token: str) -> str:
    self.update_state(state="PROGRESS", meta={"percent": 40})
    note(token)
    wait_at_gate(token)
    return "done"


@app.task(name="estate.large")
def large(size: int) -> str:
    return "x" * size


@app.task(name="estate.reject")
def reject() -> None:
    raise Reject("will not do", requeue=False)


@app.task(name="estate.too_slow", time_limit=1)
def too_slow(token: str) -> None:
    note(token)
    wait_at_gate(token)


@app.task(name="estate.ends_elsewhere", bind=True)
def ends_elsewhere(self: "Task[Any, Any]", token: str) -> None:
    note(token, task_id=self.request.id)
    raise Ignore


@app.task(name="estate.stored")
def stored(value: object) -> object:
    return value


answered = TasksAnsweredByWorkflows(app, temporal)


@answered.task(name="estate.double")
def double(value: int, queue: str, how: str = "", workflow_id: str | None = None) -> StartWorkflow:
    return StartWorkflow(workflow="Doubles", args=[value, how], task_queue=queue, id=workflow_id)


@answered.task(name="estate.double_again")
def double_again(value: int, queue: str, workflow_id: str, how: str = "") -> StartWorkflow:
    """A failed workflow of this id runs again for the next task."""
    return StartWorkflow(
        workflow="Doubles",
        args=[value, how],
        task_queue=queue,
        id=workflow_id,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    )


@answered.task(name="estate.double_anew")
def double_anew(value: int, queue: str, workflow_id: str, how: str = "", *, replace: bool = False) -> StartWorkflow:
    """A new run for each task, also while one runs if `replace`."""
    conflict = WorkflowIDConflictPolicy.TERMINATE_EXISTING if replace else WorkflowIDConflictPolicy.USE_EXISTING
    return StartWorkflow(
        workflow="Doubles",
        args=[value, how],
        task_queue=queue,
        id=workflow_id,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=conflict,
        run_timeout=timedelta(minutes=10),
        memo={"customer": "ana"},
        static_summary="doubles",
        priority=Priority(priority_key=2),
    )


@answered.task(name="estate.mirror")
def mirror(token: str, queue: str) -> StartWorkflow:
    return StartWorkflow(workflow="Mirrors", args=[token], task_queue=queue)


@app.task(name="estate.hand_over", bind=True)
def hand_over(self: "Task[Any, Any]", value: int, queue: str) -> None:
    """Replaces itself by a task that a workflow answers."""
    raise self.replace(double.s(value, queue))


@answered.task(name="estate.double_unseen", ignore_result=True)
def double_unseen(value: int, queue: str) -> StartWorkflow:
    return StartWorkflow(workflow="Doubles", args=[value, ""], task_queue=queue)


@app.task(name="estate.add_unseen", ignore_result=True)
def add_unseen(left: int, right: int) -> int:
    return left + right


@app.task(name="estate.total")
def total(values: list[int]) -> int:
    return sum(values)


@app.task(name="estate.note_value")
def note_value(value: object, token: str) -> None:
    note(token, value=value)
