"""Both sides of a Celery task that a workflow waits for, one after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from celery import Celery
from celery.exceptions import TimeoutError as NoResult
from temporalio.client import Client

from bench.awaiting_workflow import AWAITING_QUEUE, NOTHING_TASK, AwaitsNothing
from bench.baseline_workflow import timed_workflow
from bench.closed_loop import BenchmarkFailed, repeated
from bench.noop_workflows import BARE_QUEUE, OneActivity
from bench.paired_runs import Values

RESULT_WITHIN_S = 30.0
WARM_UP_TASKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne:
    """`one` does it once and returns its seconds."""

    one: Callable[[int], Awaitable[float]]
    tasks: int
    what: str

    async def warm_up(self) -> None:
        await self._run(min(self.tasks, WARM_UP_TASKS))

    async def play(self) -> Values:
        return {"celery-p50": median(await self._run(self.tasks))}

    async def _run(self, times: int) -> list[float]:
        return await repeated(self.one, times, in_flight=1, what=self.what)


def awaited_tasks(client: Client, tasks: int) -> OneByOne:
    async def one(_: int) -> float:
        return await timed_workflow(client, AwaitsNothing.__name__, AWAITING_QUEUE)

    return OneByOne(one=one, tasks=tasks, what="workflows that await a Celery task")


def workflows_and_tasks(client: Client, app: Celery, tasks: int, thread: ThreadPoolExecutor) -> OneByOne:
    """A workflow of one activity, and then the task by itself: what both take together.

    `thread` is one: results are heard of in the thread that waited for the first of them.
    """

    async def one(_: int) -> float:
        workflow_s = await timed_workflow(client, OneActivity.__name__, BARE_QUEUE)
        return workflow_s + await asyncio.get_running_loop().run_in_executor(thread, _round_trip, app)

    return OneByOne(one=one, tasks=tasks, what="raw Celery tasks")


def _round_trip(app: Celery) -> float:
    began = time.perf_counter()
    try:
        app.send_task(NOTHING_TASK).get(timeout=RESULT_WITHIN_S)
    except NoResult as late:
        raise BenchmarkFailed(f"a raw Celery task has no result within {RESULT_WITHIN_S:.0f} s") from late
    return time.perf_counter() - began
