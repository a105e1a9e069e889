"""The baseline of the orchestrated style: a workflow of four activities that do nothing. This is its client."""

import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from uuid import uuid4

from temporalio.client import Client

from bench.breakdown import Breakdown
from bench.closed_loop import repeated
from bench.noop_workflows import NOOP_QUEUE, FourActivities
from bench.paired_runs import Values
from bench.target import BenchTarget

WARM_UP_WORKFLOWS = 5
RPC_TIMEOUT = timedelta(seconds=10)


async def timed_workflow(client: Client, workflow: str, task_queue: str) -> float:
    """Run a workflow; return the seconds from the call that starts it to its result."""
    began = time.perf_counter()
    handle = await client.start_workflow(
        workflow, id=f"bench/{uuid4().hex}", task_queue=task_queue, rpc_timeout=RPC_TIMEOUT
    )
    await handle.result()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class BareWorkflows:
    """Measures the median with one workflow in flight, otherwise the rate."""

    target: BenchTarget
    workflows: int
    in_flight: int
    breakdown: Breakdown

    async def warm_up(self) -> None:
        await self._run(min(self.workflows, max(WARM_UP_WORKFLOWS, self.in_flight)))

    async def play(self) -> Values:
        began = time.perf_counter()
        with self.breakdown.cpu_per_item(f"bare workflows, {self.in_flight} in flight", self.target, self.workflows):
            times = await self._run(self.workflows)
        took = time.perf_counter() - began
        if self.in_flight > 1:
            return {"orchestrated-rate": len(times) / took}
        self.breakdown.add("bare workflow alone: from the start to the result", {"the result": median(times)})
        return dict.fromkeys(("orchestrated-p50", "orchestrated-p50-seen"), median(times))

    async def _run(self, workflows: int) -> list[float]:
        async def timed(_: int) -> float:
            return await timed_workflow(self.target.temporal, FourActivities.__name__, NOOP_QUEUE)

        return await repeated(timed, workflows, in_flight=self.in_flight, what="bare workflows")
