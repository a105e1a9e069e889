"""A running stack, as the bench uses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
from temporalio.client import Client

from bench.closed_loop import BenchmarkFailed
from bench.stacks import ENGINES, RunningStack
from comparison.stack import GATEWAY_DATABASE, SERVICE_DATABASES
from comparison.stack_meter import commits, cpu_seconds
from embedded.child_stack import calls_to
from runtime.settings import Settings
from runtime.temporal import connect
from runtime.wiring import Databases

HTTP_TIMEOUT_S = 30.0

AT_REST_WITHIN_S = 30.0
LOOK_AGAIN_S = 0.2
QUIET_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTarget:
    """`folder` is the stack's data folder; the databases are open for reading beside its processes."""

    folder: Path
    settings: Settings
    api: str
    http: httpx.AsyncClient
    temporal: Client
    databases: Databases
    given_engines: bool

    def all_pids(self) -> Mapping[str, int]:
        running: dict[str, int] = json.loads((self.folder / "ready.json").read_text())["processes"]
        return running

    def pids(self) -> Mapping[str, int]:
        """The processes of ours, the engines apart."""
        return {name: pid for name, pid in self.all_pids().items() if name not in ENGINES}

    def cpu(self) -> Mapping[str, float]:
        """CPU seconds so far of each process of ours."""
        return {name: cpu_seconds(pid) or 0.0 for name, pid in self.pids().items()}

    def all_cpu(self) -> Mapping[str, float]:
        """The same with the engines."""
        return {name: cpu_seconds(pid) or 0.0 for name, pid in self.all_pids().items()}

    async def at_rest(self) -> None:
        """Return once nobody writes any more: pieces are counted as sold after an order's end, events go out."""
        before, quiet = self._commits(), 0
        for _ in range(int(AT_REST_WITHIN_S / LOOK_AGAIN_S)):
            await asyncio.sleep(LOOK_AGAIN_S)
            now = self._commits()
            quiet = quiet + 1 if now == before else 0
            if quiet == QUIET_LOOKS:
                return
            before = now
        raise BenchmarkFailed(f"the services still write {AT_REST_WITHIN_S:.0f} s after the last order's end")

    def _commits(self) -> list[int | None]:
        return [commits(self.folder / f"{name}.db") for name in (*SERVICE_DATABASES, GATEWAY_DATABASE)]


@asynccontextmanager
async def stand_on(stack: RunningStack) -> AsyncIterator[BenchTarget]:
    """Raises CannotRun when Temporal does not answer."""
    temporal = await connect(stack.settings)
    async with calls_to(stack.api, HTTP_TIMEOUT_S) as http:
        with closing(Databases.open(stack.settings)) as databases:
            yield BenchTarget(
                folder=stack.folder,
                settings=stack.settings,
                api=stack.api,
                http=http,
                temporal=temporal,
                databases=databases,
                given_engines=stack.given_engines,
            )
