"""Memory of our own processes: those that the stack's supervisor started, with their children, without the engines."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.metrics import GIB
from bench.order_load import OrderLoad
from bench.paired_runs import Pair
from bench.sizes import IN_FLIGHT
from bench.target import ENGINES, BenchTarget
from comparison.stack_meter import PARENT, stat_fields
from domain.order import SagaStyle
from runtime.errors import CannotRun

PARTS = 10
KIB = 1024
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMemory:
    """Bytes by process: before any order, after the first tenth of the orders, and after all of them."""

    idle: Mapping[str, int]
    first: Mapping[str, int]
    all: Mapping[str, int]

    def pairs(self) -> dict[str, list[Pair]]:
        idle, first, loaded = (float(sum(bytes_of.values())) for bytes_of in (self.idle, self.first, self.all))
        return {
            "memory-idle": [Pair(ours=idle, baseline=float(GIB))],
            "memory-loaded": [Pair(ours=loaded, baseline=float(GIB))],
            "memory-growth": [Pair(ours=loaded, baseline=first)],
        }


async def measure_memory(target: BenchTarget, orders: int, on_played: Callable[[], None]) -> MeasuredMemory:
    """Play the orders, half of them in each style. `on_played` is called after each tenth.

    Raises BenchmarkFailed, or CannotRun: the system does not tell the memory of a process.
    """
    # Imports and first connections end before the idle figure is taken.
    await asyncio.sleep(SETTLE_S)
    idle = _memory(target)
    first: Mapping[str, int] = {}
    for part in range(PARTS):
        async with asyncio.TaskGroup() as customers:
            for style in SagaStyle:
                count = orders // PARTS // len(SagaStyle)
                customers.create_task(OrderLoad(target, style).run(count, in_flight=IN_FLIGHT // len(SagaStyle)))
        if part == 0:
            await target.wait_until_idle()
            first = _memory(target)
        on_played()
    await target.wait_until_idle()
    return MeasuredMemory(idle=idle, first=first, all=_memory(target))


def _memory(target: BenchTarget) -> dict[str, int]:
    """Return proportional set sizes: a page that several processes share is divided among them."""
    pids, parents = target.pids(), _parents()
    owners = {pid: None if name in ENGINES else name for name, pid in pids.items()}
    # The supervisor is the parent of the named processes, and not in the ready file itself.
    owners |= {parents[pid]: "supervisor" for pid in pids.values() if pid in parents}
    sizes = {name: 0 for name in owners.values() if name is not None}
    for pid in parents:
        if (owner := _owner(pid, parents, owners)) is not None:
            sizes[owner] += _pss(pid)
    if not sum(sizes.values()):
        raise CannotRun("memory is measured by /proc/PID/smaps_rollup, which this system does not have")
    return sizes


def _owner(pid: int, parents: Mapping[int, int], owners: Mapping[int, str | None]) -> str | None:
    """Return the name of the process that this one is or descends from; None for an engine and for other programs."""
    while pid in parents:
        if pid in owners:
            return owners[pid]
        pid = parents[pid]
    return None


def _parents() -> dict[int, int]:
    fields = {int(folder.name): stat_fields(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    return {pid: int(found[PARENT]) for pid, found in fields.items() if found}  # without those that ended meanwhile


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    return 0
