"""Our side: customers who place orders over HTTP. Their ends are seen in the database, so that looking costs little."""

import asyncio
import json
import time
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

import httpx2 as httpx
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from bench.breakdown import Notes, legs
from bench.closed_loop import BenchmarkFailed, repeated
from bench.http_client import OrderCalls
from bench.order_completion import OrderEnd, OrderEnds
from bench.paired_runs import Values
from bench.target import HTTP_TIMEOUT_S, BenchTarget
from comparison.api_client import Shopping
from comparison.scenarios import SCENARIOS, Body
from domain.ids import OrderId
from domain.order import SagaStyle
from workflows.order_saga import workflow_id

WARM_UP_ORDERS = 5
LOOK_ALONE_S = 0.002
LOOK_TOGETHER_S = 0.02
"""An order waits 10 ms longer for its successor than it would have to, in more than half a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOrder:
    """`seen_s` is from sending it until its end was seen."""

    order_id: str
    end: OrderEnd
    seen_s: float


class Customers:
    def __init__(self, stand: BenchTarget, style: SagaStyle, scenario: str = "ok") -> None:
        self._stand = stand
        self._style = style
        self._scenario = SCENARIOS[scenario]
        self._shopping = Shopping(stand.http)

    async def order(self, count: int, *, in_flight: int) -> list[EndedOrder]:
        """Place so many orders of a product of their own, each customer the next one after the end of the last.

        Raises:
            DidNotWork: one did not end as it has to.
        """
        body = await self._stocked() | {"style": self._style.value}
        order = json.dumps(body).encode()
        looker = OrderEnds(self._stand.folder, every_s=LOOK_ALONE_S if in_flight == 1 else LOOK_TOGETHER_S)

        async def one(_: int) -> EndedOrder:
            began = time.perf_counter()
            order_id = await calls.place(order)
            end = await looker.end_of(order_id)
            seen_s = time.perf_counter() - began
            if (end.status, end.reason) != (self._scenario.status, self._scenario.reason):
                raise BenchmarkFailed(f"{self._style} order {order_id} is {end.status} ({end.reason})")
            if in_flight == 1 and self._style is SagaStyle.ORCHESTRATED:
                await self._saga_closes(order_id)
            return EndedOrder(order_id=order_id, end=end, seen_s=seen_s)

        async with OrderCalls(self._stand.api, HTTP_TIMEOUT_S) as calls, looker.looking():
            return await repeated(one, count, in_flight=in_flight, what=f"{self._style} orders")

    async def _saga_closes(self, order_id: str) -> None:
        """At an order's end its saga still tells others of it, beside which the next order would not run alone."""
        saga = self._stand.temporal.get_workflow_handle(workflow_id(OrderId(order_id)))
        try:
            await saga.result()
        except (RPCError, WorkflowFailureError) as failure:
            raise BenchmarkFailed(f"the saga of order {order_id} did not close well: {failure!r}") from failure

    async def _stocked(self) -> Body:
        try:
            return await self._shopping.stocked(self._scenario, uuid4().hex[:8])
        except httpx.HTTPError as failure:
            raise BenchmarkFailed(f"the shelf could not be filled: {failure!r}") from failure


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersAlone:
    stand: BenchTarget
    style: SagaStyle
    orders: int
    notes: Notes

    async def warm_up(self) -> None:
        await Customers(self.stand, self.style).order(min(self.orders, WARM_UP_ORDERS), in_flight=1)

    async def play(self) -> Values:
        ended = await Customers(self.stand, self.style).order(self.orders, in_flight=1)
        placed = {order.order_id: order.end.placed_at for order in ended}
        took = await asyncio.to_thread(legs, self.stand.databases, placed)
        self.notes.add(f"{self.style} order alone: each event since the one before it", took)
        return {
            f"{self.style}-p50": median(order.end.seconds for order in ended),
            f"{self.style}-p50-seen": median(order.seen_s for order in ended),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersTogether:
    stand: BenchTarget
    style: SagaStyle
    orders: int
    in_flight: int
    notes: Notes

    async def warm_up(self) -> None:
        await Customers(self.stand, self.style).order(min(self.orders, self.in_flight), in_flight=self.in_flight)

    async def play(self) -> Values:
        with self.notes.cpu_of_each(f"{self.style} orders together", self.stand, self.orders):
            ended = await Customers(self.stand, self.style).order(self.orders, in_flight=self.in_flight)
        took = max(order.end.finished_at for order in ended) - min(order.end.placed_at for order in ended)
        return {f"{self.style}-rate": len(ended) / took.total_seconds()}
