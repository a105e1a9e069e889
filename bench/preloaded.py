"""The same work twice: on a stack that holds few orders, and on one that holds many."""

import asyncio
import gc
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx2 as httpx

from bench.breakdown import Notes
from bench.closed_loop import BenchmarkFailed
from bench.order_load import Customers
from bench.paired_runs import Values
from bench.seed_orders import fill
from bench.stacks import ENGINES
from bench.target import BenchTarget
from comparison.measures import percentile
from comparison.stack import PROCESSES_OF
from domain.ids import OrderId
from domain.order import SagaStyle

CONFIRMED_EACH, CANCELLED_EACH = 9, 1
"""Of either style, among every twenty that are held."""

PERCENT = 99
WARM_UP_READS = 20


async def filled(stand: BenchTarget, orders: int) -> list[OrderId]:
    """Let the stack hold so many finished orders more; return their ids."""
    models: list[OrderId] = []
    for style in SagaStyle:
        for name, times in (("ok", CONFIRMED_EACH), ("declined", CANCELLED_EACH)):
            (ended,) = await Customers(stand, style, name).order(1, in_flight=1)
            models += [OrderId(ended.order_id)] * times
    await stand.at_rest()
    stop = threading.Event()
    try:
        return await asyncio.to_thread(fill, stand.folder, models, orders, stop)
    finally:
        stop.set()  # else whoever breaks off waits for the thread


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuOfOrders:
    """CPU time of what is ours of the processes that the style needs, from before the first order until all is at rest.

    What they do when idle is in it, on both sides alike.
    """

    stand: BenchTarget
    style: SagaStyle
    orders: int
    in_flight: int
    held: str
    notes: Notes

    async def warm_up(self) -> None:
        await self._order(min(self.orders, self.in_flight))

    async def play(self) -> Values:
        before, pids = self.stand.cpu(), self.stand.pids()
        await self._order(self.orders)
        await self.stand.at_rest()
        after = self.stand.cpu()
        each = {name: (after[name] - used) / self.orders for name, used in before.items() if name in after}
        self.notes.add(f"CPU: {self.style} orders, {self.held} held", each)
        if pids != self.stand.pids():
            raise BenchmarkFailed("a process of the stack was started anew, so its CPU time is not known")
        needed = [name for name in PROCESSES_OF[self.style] if name not in ENGINES]
        return {f"{self.style}-cpu": sum(each[name] for name in needed)}

    async def _order(self, orders: int) -> None:
        await Customers(self.stand, self.style).order(orders, in_flight=self.in_flight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Calls of the API, one after the other, each kind so often, in an order that the dice say."""

    stand: BenchTarget
    held: Sequence[OrderId]
    reads: int
    dice: Random

    async def warm_up(self) -> None:
        await self._read(min(self.reads, WARM_UP_READS))

    async def play(self) -> Values:
        return {name: percentile(times, PERCENT) for name, times in (await self._read(self.reads)).items()}

    async def _read(self, reads: int) -> dict[str, list[float]]:
        calls = []
        for number in range(reads):
            one, other = self.dice.choice(self.held), self.dice.choice(self.held)
            calls.append(("read-order", f"/orders/{one}"))
            calls.append(("read-timeline", f"/orders/{other}/timeline"))
            calls.append(("read-list", f"/orders?status={'cancelled' if number % 2 else 'confirmed'}"))
        self.dice.shuffle(calls)
        taken: dict[str, list[float]] = {}
        gc.collect()
        gc.disable()  # a pause of the one who measures is not the API's
        try:
            for name, path in calls:
                taken.setdefault(name, []).append(await self._timed(path))
        finally:
            gc.enable()
        return taken

    async def _timed(self, path: str) -> float:
        began = time.perf_counter()
        try:
            (await self.stand.http.get(path)).raise_for_status()
        except httpx.HTTPError as failure:
            raise BenchmarkFailed(f"GET {path}: {failure!r}") from failure
        return time.perf_counter() - began
