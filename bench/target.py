"""The stack that a benchmark runs on, started with its own data on free ports, and the programs beside it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import Any

import httpx2 as httpx
from pydantic import SecretStr
from temporalio.client import Client

from bench.closed_loop import BenchmarkFailed
from comparison.api_client import http_client
from comparison.child_processes import ChildProcess, child_stack, process_ids, settings_in
from comparison.stack import SERVICE_DATABASES, wait_until_idle
from comparison.stack_meter import commits, cpu_seconds
from processes.registry import CODEC_SERVER, PROCESSES
from runtime.settings import Settings
from runtime.temporal import connect
from runtime.wiring import Databases
from services.names import GATEWAY

ENGINES = ("temporal", "kafka", "redis")
ALL_PROCESSES = (*ENGINES, *(name for name in PROCESSES if name != CODEC_SERVER))

HTTP_TIMEOUT_S = 30.0
IDLE_WITHIN_S = 30.0
STOP_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """`settings` have its folder and the addresses of its engines; `ready` is the content of its ready file.

    `given_engines`: they were running before.
    """

    settings: Settings
    ready: Mapping[str, Any]
    given_engines: bool


@contextmanager
def running_stack(
    folder: Path,
    names: Sequence[str] = ALL_PROCESSES,
    *,
    given_engines: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningStack]:
    """Start these processes. With `given_engines`, use the engines that the settings name instead of starting any.

    `variables`: more of their environment.

    Raises CannotRun: the stack did not come up, or the settings name databases elsewhere.
    """
    folder.mkdir()
    # Without the bridge no order has a witness, and the API must not link to one.
    settings = settings_in(folder, witness_enabled="kafka-bridge" in names)
    started = [name for name in names if not (given_engines and name in ENGINES)]
    with child_stack(settings, folder, started, variables) as ready:
        addressed = settings.with_changes(
            temporal_address=ready["temporal"], kafka_bootstrap=ready["kafka"], redis_url=SecretStr(ready["redis"])
        )
        yield RunningStack(settings=addressed, ready=ready, given_engines=given_engines)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTarget:
    """A running stack with clients. The databases are open for reading, beside the stack's own processes."""

    settings: Settings
    http: httpx.AsyncClient
    temporal: Client
    databases: Databases
    given_engines: bool

    def pids(self) -> Mapping[str, int]:
        return process_ids(self.settings.data_dir)

    def cpu(self) -> Mapping[str, float]:
        """CPU seconds of each process since its start."""
        return {name: cpu_seconds(pid) or 0.0 for name, pid in self.pids().items()}

    async def wait_until_idle(self) -> None:
        """Wait until no service writes any more. After an order's end pieces are counted as sold, and events sent.

        Raises BenchmarkFailed: the services still write after IDLE_WITHIN_S.
        """
        _, idle = await wait_until_idle(self._commits, eq, within_s=IDLE_WITHIN_S)
        if not idle:
            raise BenchmarkFailed(f"the services still write {IDLE_WITHIN_S:.0f} s after the last order's end")

    async def _commits(self) -> list[int | None]:
        files = [self.settings.data_dir / f"{name}.db" for name in (*SERVICE_DATABASES, GATEWAY)]
        return [await asyncio.to_thread(commits, file) for file in files]


@asynccontextmanager
async def target_on(stack: RunningStack) -> AsyncIterator[BenchTarget]:
    """Open clients to the stack. Raises CannotRun: Temporal does not answer."""
    temporal = await connect(stack.settings)
    async with http_client(stack.ready, HTTP_TIMEOUT_S) as http:
        with closing(Databases.open(stack.settings)) as databases:
            yield BenchTarget(
                settings=stack.settings,
                http=http,
                temporal=temporal,
                databases=databases,
                given_engines=stack.given_engines,
            )


@asynccontextmanager
async def running(settings: Settings, *programs: str, piped: bool = False) -> AsyncIterator[list[ChildProcess]]:
    """Run programs for the block, which begins when all are ready. Call it on the main thread.

    A program is a module of this package with its arguments, such as "kafka_hop 1"; its log is in the stack's folder.
    `piped`: see ChildProcess.request. Raises CannotRun, with the last lines of the log: one ended, or was not ready.
    """
    started: list[ChildProcess] = []
    try:
        for program in programs:
            module, *arguments = program.split()
            ready_file = settings.data_dir / f"{'-'.join([module, *arguments])}.ready"
            command = ["-m", f"bench.{module}", *arguments]
            environment = settings.with_changes(serve_ready_file=ready_file)
            started.append(ChildProcess.start(program, command, environment, ready_file, piped=piped))
        for child in started:
            await asyncio.to_thread(child.wait_until_ready, settings.start_deadline_seconds)
        yield started
        for child in started:
            child.check()
    finally:
        # All get SIGTERM before the first is waited for, so that they end at the same time.
        for child in started:
            child.process.terminate()
        for child in started:
            child.stop(STOP_DEADLINE_S)
