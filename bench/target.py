"""The stack that a benchmark runs on: started with its own data on free ports, and opened for measuring."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from operator import eq
from pathlib import Path

import httpx2 as httpx
from pydantic import SecretStr
from temporalio.client import Client

from bench.closed_loop import BenchmarkFailed
from comparison.api_client import http_client
from comparison.child_processes import child_stack, process_ids, settings_in
from comparison.stack import SERVICE_DATABASES, wait_until_idle
from comparison.stack_meter import commits, cpu_seconds
from processes.registry import PROCESSES
from runtime.settings import Settings
from runtime.temporal import connect
from runtime.wiring import Databases
from services.names import GATEWAY

ENGINES = ("temporal", "kafka", "redis")
ALL_PROCESSES = (*ENGINES, *PROCESSES)

HTTP_TIMEOUT_S = 30.0
IDLE_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """`settings` have the addresses of its engines, `folder` its data. `given_engines`: they were running before."""

    settings: Settings
    folder: Path
    api: str
    given_engines: bool


@contextmanager
def running_stack(
    folder: Path, names: Sequence[str] = ALL_PROCESSES, *, given_engines: bool = False
) -> Iterator[RunningStack]:
    """Start these processes. With `given_engines`, use the engines that the settings name instead of starting any.

    Raises:
        CannotRun: the stack did not come up, or the settings name databases elsewhere.
    """
    folder.mkdir()
    # Without the bridge no order has a witness, and the API must not link to one.
    settings = settings_in(folder, witness_enabled="kafka-bridge" in names)
    started = [name for name in names if not (given_engines and name in ENGINES)]
    with child_stack(settings, folder, started) as ready:
        addressed = settings.with_changes(
            temporal_address=ready["temporal"], kafka_bootstrap=ready["kafka"], redis_url=SecretStr(ready["redis"])
        )
        yield RunningStack(settings=addressed, folder=folder, api=ready["api"], given_engines=given_engines)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTarget:
    """A running stack with clients. The databases are open for reading, beside the stack's own processes."""

    folder: Path
    settings: Settings
    http: httpx.AsyncClient
    temporal: Client
    databases: Databases
    given_engines: bool

    def all_pids(self) -> Mapping[str, int]:
        return process_ids(self.folder)

    def own_pids(self) -> Mapping[str, int]:
        """Process ids without those of the engines."""
        return {name: pid for name, pid in self.all_pids().items() if name not in ENGINES}

    def all_cpu(self) -> Mapping[str, float]:
        """CPU seconds of each process since its start."""
        return {name: cpu_seconds(pid) or 0.0 for name, pid in self.all_pids().items()}

    def own_cpu(self) -> Mapping[str, float]:
        """CPU seconds without those of the engines."""
        return {name: cpu_seconds(pid) or 0.0 for name, pid in self.own_pids().items()}

    async def wait_until_idle(self) -> None:
        """Wait until no service writes any more. After an order's end pieces are counted as sold, and events sent.

        Raises:
            BenchmarkFailed: the services still write after IDLE_WITHIN_S.
        """
        _, idle = await wait_until_idle(self._commits, eq, within_s=IDLE_WITHIN_S)
        if not idle:
            raise BenchmarkFailed(f"the services still write {IDLE_WITHIN_S:.0f} s after the last order's end")

    async def _commits(self) -> list[int | None]:
        names = (*SERVICE_DATABASES, GATEWAY)
        return [await asyncio.to_thread(commits, self.folder / f"{name}.db") for name in names]


@asynccontextmanager
async def target_on(stack: RunningStack) -> AsyncIterator[BenchTarget]:
    """Open clients to the stack.

    Raises:
        CannotRun: Temporal does not answer.
    """
    temporal = await connect(stack.settings)
    async with http_client(stack.api, HTTP_TIMEOUT_S) as http:
        with closing(Databases.open(stack.settings)) as databases:
            yield BenchTarget(
                folder=stack.folder,
                settings=stack.settings,
                http=http,
                temporal=temporal,
                databases=databases,
                given_engines=stack.given_engines,
            )
