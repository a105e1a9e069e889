"""The client's side of the bare workflows, in the process that also places our orders."""

import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from uuid import uuid4

from temporalio.client import Client

from bench.breakdown import Notes
from bench.closed_loop import repeated
from bench.noop_workflows import BARE_QUEUE, FourActivities
from bench.paired_runs import Values
from bench.target import BenchTarget

WARM_UP_WORKFLOWS = 5
RPC_DEADLINE = timedelta(seconds=10)


async def timed_workflow(client: Client, workflow: str, task_queue: str) -> float:
    """Seconds from asking for the start to having the result."""
    began = time.perf_counter()
    handle = await client.start_workflow(
        workflow, id=f"bench/{uuid4().hex}", task_queue=task_queue, rpc_timeout=RPC_DEADLINE
    )
    await handle.result()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class BareWorkflows:
    """With one in flight, the median; else the rate. `figures` are the names that the value goes by."""

    stand: BenchTarget
    figures: tuple[str, ...]
    workflows: int
    in_flight: int
    notes: Notes

    async def warm_up(self) -> None:
        await self._run(min(self.workflows, max(WARM_UP_WORKFLOWS, self.in_flight)))

    async def play(self) -> Values:
        began = time.perf_counter()
        with self.notes.cpu_of_each(f"bare workflows, {self.in_flight} in flight", self.stand, self.workflows):
            times = await self._run(self.workflows)
        took = time.perf_counter() - began
        if self.in_flight > 1:
            return dict.fromkeys(self.figures, len(times) / took)
        self.notes.add("bare workflow alone: from the start to the result", {"the result": median(times)})
        return dict.fromkeys(self.figures, median(times))

    async def _run(self, times: int) -> list[float]:
        async def one(_: int) -> float:
            return await timed_workflow(self.stand.temporal, FourActivities.__name__, BARE_QUEUE)

        return await repeated(one, times, in_flight=self.in_flight, what="bare workflows")
