"""Memory of the stack's own processes: those that its supervisor started, with their children, the engines apart."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.goals import GIB
from bench.order_load import Customers
from bench.samples import Pair
from bench.sizes import IN_FLIGHT
from bench.stacks import ENGINES
from bench.target import BenchTarget
from domain.order import SagaStyle
from runtime.errors import CannotRun

PARTS = 10
KILO = 1024
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Bytes by process: with nothing done, after the first tenth of the orders, and after all of them."""

    idle: Mapping[str, int]
    first: Mapping[str, int]
    all: Mapping[str, int]

    def pairs(self) -> dict[str, list[Pair]]:
        idle, first, everything = (float(sum(taken.values())) for taken in (self.idle, self.first, self.all))
        return {
            "memory-idle": [Pair(ours=idle, reference=float(GIB))],
            "memory-loaded": [Pair(ours=everything, reference=float(GIB))],
            "memory-growth": [Pair(ours=everything, reference=first)],
        }


async def remember(stand: BenchTarget, orders: int, played: Callable[[], None]) -> Remembered:
    """Half of the orders in either style. `played` is called after each tenth.

    Raises:
        DidNotWork: an order did not end as it has to.
    """
    await asyncio.sleep(SETTLE_S)
    idle = _memory(stand)
    first: Mapping[str, int] = {}
    for part in range(PARTS):
        async with asyncio.TaskGroup() as customers:
            for style in SagaStyle:
                count = orders // PARTS // len(SagaStyle)
                customers.create_task(Customers(stand, style).order(count, in_flight=IN_FLIGHT // len(SagaStyle)))
        if part == 0:
            await stand.at_rest()
            first = _memory(stand)
        played()
    await stand.at_rest()
    return Remembered(idle=idle, first=first, all=_memory(stand))


def _memory(stand: BenchTarget) -> dict[str, int]:
    """Proportional set sizes: a page that several processes share counts once, divided among them.

    Raises:
        CannotRun: this is no Linux.
    """
    named = stand.pids()
    parents = _parents()
    supervisor = {parents[pid] for pid in named.values() if pid in parents}
    apart = {pid for name, pid in stand.all_pids().items() if name in ENGINES}
    names = {pid: name for name, pid in named.items()} | dict.fromkeys(supervisor, "supervisor")
    taken = dict.fromkeys(names.values(), 0)
    for pid in parents:
        owner = _owner(pid, parents, names, apart)
        if owner is not None:
            taken[owner] += _pss(pid)
    if not sum(taken.values()):
        raise CannotRun("memory is measured by /proc/PID/smaps_rollup, which is not there")
    return taken


def _owner(pid: int, parents: Mapping[int, int], names: Mapping[int, str], apart: set[int]) -> str | None:
    """The process of the stack that this one is, or descends from."""
    while pid in parents:
        if pid in apart:
            return None
        if pid in names:
            return names[pid]
        pid = parents[pid]
    return None


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KILO
    return 0
