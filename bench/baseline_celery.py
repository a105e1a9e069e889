"""The benchmark of a Celery task that a workflow awaits: both sides, one call after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from celery import Celery
from celery.exceptions import TimeoutError as NoResult
from temporalio.client import Client

from bench.baseline_workflow import timed_workflow
from bench.closed_loop import BenchmarkFailed, repeated
from bench.noop_workflows import AWAITING_QUEUE, NOOP_QUEUE, NOOP_TASK, AwaitsCeleryTask, OneActivity
from bench.paired_runs import Values

RESULT_WITHIN_S = 30.0
WARM_UP_TASKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialCalls:
    """`timed_call` makes one call and returns how many seconds it took."""

    timed_call: Callable[[int], Awaitable[float]]
    calls: int
    what: str

    async def warm_up(self) -> None:
        await self._run(min(self.calls, WARM_UP_TASKS))

    async def play(self) -> Values:
        return {"celery-p50": median(await self._run(self.calls))}

    async def _run(self, calls: int) -> list[float]:
        return await repeated(self.timed_call, calls, in_flight=1, what=self.what)


def awaited_tasks(client: Client, tasks: int) -> SequentialCalls:
    async def timed_call(_: int) -> float:
        return await timed_workflow(client, AwaitsCeleryTask.__name__, AWAITING_QUEUE)

    return SequentialCalls(timed_call=timed_call, calls=tasks, what="workflows that await a Celery task")


def workflows_and_tasks(client: Client, app: Celery, tasks: int, thread: ThreadPoolExecutor) -> SequentialCalls:
    """Time a workflow of one activity and then the task by itself; the value is their sum.

    `thread` has to have a single worker: Celery's result consumer belongs to the thread that waited first.
    """

    async def timed_call(_: int) -> float:
        workflow_s = await timed_workflow(client, OneActivity.__name__, NOOP_QUEUE)
        return workflow_s + await asyncio.get_running_loop().run_in_executor(thread, _timed_task, app)

    return SequentialCalls(timed_call=timed_call, calls=tasks, what="raw Celery tasks")


def _timed_task(app: Celery) -> float:
    began = time.perf_counter()
    try:
        app.send_task(NOOP_TASK).get(timeout=RESULT_WITHIN_S)
    except NoResult as late:
        raise BenchmarkFailed(f"a raw Celery task has no result within {RESULT_WITHIN_S:.0f} s") from late
    return time.perf_counter() - began
