"""Our side of the benchmarks: customers who place orders over HTTP."""

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

import httpx2 as httpx
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from bench.breakdown import Breakdown, step_latencies
from bench.closed_loop import BenchmarkFailed, repeated
from bench.order_completion import CompletionWatcher, OrderCompletion
from bench.paired_runs import Values
from bench.target import BenchTarget
from comparison.api_client import ShopClient
from comparison.scenarios import SCENARIOS, Scenario
from domain.ids import OrderId
from domain.order import SagaStyle
from workflows.order_saga import workflow_id

WARM_UP_ORDERS = 5
SEQUENTIAL_POLL_S = 0.002
CONCURRENT_POLL_S = 0.02
"""Delays the next order of a customer by 10 ms on average, where an order takes more than half a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedOrder:
    """`seen_s` is the time from sending the order until its end was seen, in seconds."""

    order_id: str
    completion: OrderCompletion
    seen_s: float


@dataclass(frozen=True, slots=True)
class OrderLoad:
    """A load of equal orders. Each customer places the next one after the end of the last."""

    target: BenchTarget
    style: SagaStyle
    scenario: Scenario = SCENARIOS["ok"]

    async def run(self, orders: int, *, in_flight: int) -> list[FinishedOrder]:
        """Place orders for a product of their own. Raises BenchmarkFailed: one did not end as its scenario says."""
        shop = ShopClient(self.target.http)
        try:
            body = await shop.stock(self.scenario, uuid4().hex[:8])
        except httpx.HTTPError as failure:
            raise BenchmarkFailed(f"the product could not be stocked: {failure!r}") from failure
        # A poll every 2 ms would take processor time from 32 concurrent orders; a lone order is timed more exactly.
        poll_s = SEQUENTIAL_POLL_S if in_flight == 1 else CONCURRENT_POLL_S
        watcher = CompletionWatcher(self.target.settings.data_dir, poll_s=poll_s)

        async def one(_: int) -> FinishedOrder:
            began = time.perf_counter()
            order_id = await shop.place(body, self.style)
            completion = await watcher.completion_of(order_id)
            seen_s = time.perf_counter() - began
            if (completion.status, completion.reason) != (self.scenario.status, self.scenario.reason):
                raise BenchmarkFailed(f"{self.style} order {order_id} is {completion.status} ({completion.reason})")
            if in_flight == 1 and self.style is SagaStyle.ORCHESTRATED:
                await self._wait_for_saga(order_id)
            return FinishedOrder(order_id=order_id, completion=completion, seen_s=seen_s)

        async with watcher.watching():
            return await repeated(one, orders, in_flight=in_flight, what=f"{self.style} orders")

    async def _wait_for_saga(self, order_id: str) -> None:
        # The saga publishes its outcome after the order's end. The next order would not run alone beside that.
        saga = self.target.temporal.get_workflow_handle(workflow_id(OrderId(order_id)))
        try:
            await saga.result()
        except (RPCError, WorkflowFailureError) as failure:
            raise BenchmarkFailed(f"the saga of order {order_id} did not complete: {failure!r}") from failure


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOrders:
    """Measures medians with one order in flight, otherwise the rate."""

    target: BenchTarget
    style: SagaStyle
    orders: int
    in_flight: int
    breakdown: Breakdown

    async def warm_up(self) -> None:
        await self._run(min(self.orders, max(WARM_UP_ORDERS, self.in_flight)))

    async def play(self) -> Values:
        return await (self._play_alone() if self.in_flight == 1 else self._play_together())

    async def _play_alone(self) -> Values:
        finished = await self._run(self.orders)
        placed = {order.order_id: order.completion.placed_at for order in finished}
        latencies = await asyncio.to_thread(step_latencies, self.target.databases, placed)
        self.breakdown.add(f"{self.style} order alone: each event since the one before it", latencies)
        return {
            f"{self.style}-p50": median(order.completion.seconds for order in finished),
            f"{self.style}-p50-seen": median(order.seen_s for order in finished),
        }

    async def _play_together(self) -> Values:
        with self.breakdown.cpu_per_item(f"{self.style} orders together", self.target, self.orders):
            finished = await self._run(self.orders)
        completions = [order.completion for order in finished]
        # By the services' timestamps, so that the delay until this process sees an end is not part of the rate.
        took = max(each.finished_at for each in completions) - min(each.placed_at for each in completions)
        return {f"{self.style}-rate": len(completions) / took.total_seconds()}

    async def _run(self, orders: int) -> list[FinishedOrder]:
        return await OrderLoad(self.target, self.style).run(orders, in_flight=self.in_flight)
