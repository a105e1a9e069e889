"""The benchmarks of full databases: the same work on a stack that holds few orders, and on one that holds many."""

import asyncio
import gc
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx2 as httpx

from bench.closed_loop import BenchmarkFailed
from bench.order_load import OrderLoad
from bench.paired_runs import Values
from bench.seed_orders import copy_orders
from bench.target import BenchTarget
from comparison.measures import percentile
from comparison.scenarios import SCENARIOS
from domain.ids import OrderId
from domain.order import SagaStyle

SHARES = {"ok": 9, "declined": 1}
"""Scenarios of each style, among twenty preloaded orders."""

PERCENTILE = 99
WARM_UP_READS = 20


async def preload(target: BenchTarget, orders: int) -> list[OrderId]:
    """Add this number of finished orders to the databases of the stack; return their ids."""
    models: list[OrderId] = []
    for style in SagaStyle:
        for scenario, share in SHARES.items():
            (finished,) = await OrderLoad(target, style, SCENARIOS[scenario]).run(1, in_flight=1)
            models += [OrderId(finished.order_id)] * share
    await target.wait_until_idle()
    stop = threading.Event()
    try:
        return await asyncio.to_thread(copy_orders, target.settings.data_dir, models, orders, stop)
    finally:
        stop.set()  # a thread cannot be cancelled, and the program would wait for it at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Times calls of the API, one after the other, `reads` of each kind in a random order."""

    target: BenchTarget
    held: Sequence[OrderId]
    reads: int
    rng: Random

    async def warm_up(self) -> None:
        await self._read(min(self.reads, WARM_UP_READS))

    async def play(self) -> Values:
        return {name: percentile(times, PERCENTILE) for name, times in (await self._read(self.reads)).items()}

    async def _read(self, reads: int) -> dict[str, list[float]]:
        calls = []
        for number in range(reads):
            one, other = self.rng.choice(self.held), self.rng.choice(self.held)
            calls.append(("read-order", f"/orders/{one}"))
            calls.append(("read-timeline", f"/orders/{other}/timeline"))
            calls.append(("read-list", f"/orders?status={'cancelled' if number % 2 else 'confirmed'}"))
        # Mixed, so that a slow moment of the machine meets every kind of call.
        self.rng.shuffle(calls)
        times: dict[str, list[float]] = {}
        gc.collect()
        gc.disable()  # a pause of this process would count as the API's
        try:
            for name, path in calls:
                times.setdefault(name, []).append(await self._timed(path))
        finally:
            gc.enable()
        return times

    async def _timed(self, path: str) -> float:
        began = time.perf_counter()
        try:
            (await self.target.http.get(path)).raise_for_status()
        except httpx.HTTPError as failure:
            raise BenchmarkFailed(f"GET {path}: {failure!r}") from failure
        return time.perf_counter() - began
