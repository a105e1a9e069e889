"""The processor time that an order costs."""

from dataclasses import dataclass

from bench.breakdown import Breakdown
from bench.closed_loop import BenchmarkFailed
from bench.order_load import OrderLoad
from bench.paired_runs import Values
from bench.target import ENGINES, BenchTarget
from comparison.stack import PROCESSES_OF
from domain.order import SagaStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuOfOrders:
    """Measures the CPU time of our processes that the style needs, from the first order until the stack is idle.

    It includes their idle work, on both sides alike. `figure` gets the result; `side` names the side in the breakdown.
    """

    target: BenchTarget
    style: SagaStyle
    orders: int
    in_flight: int
    figure: str
    side: str
    breakdown: Breakdown

    async def warm_up(self) -> None:
        await self._run(min(self.orders, self.in_flight))

    async def play(self) -> Values:
        pids, subject = self.target.pids(), f"{self.style} orders, {self.side}"
        with self.breakdown.cpu_per_item(subject, self.target, self.orders) as per_order:
            await self._run(self.orders)
            await self.target.wait_until_idle()
        # A restart resets the counter, so the difference would be too small without a sign of it.
        if pids != self.target.pids():
            raise BenchmarkFailed("a process of the stack was restarted, so its CPU time is not known")
        needed = [name for name in PROCESSES_OF[self.style] if name not in ENGINES]
        return {self.figure: sum(per_order[name] for name in needed)}

    async def _run(self, orders: int) -> None:
        await OrderLoad(self.target, self.style).run(orders, in_flight=self.in_flight)
