"""The embedded stack: the engines, then our processes on them, under one supervisor."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from embedded.addresses import METRICS, address_of, all_ports_free, refuse_taken_ports, with_free_ports
from embedded.broker_refill import fill_broker
from embedded.data_lock import only_stack_in
from embedded.engines import ENGINES
from embedded.ports import PortReservations
from embedded.program import Program
from embedded.ready_file import ready_content
from embedded.supervisor import Limits, ProgramFailed, Reporter, Supervisor
from processes.registry import PROCESSES
from runtime.databases import migrate_databases
from runtime.errors import CannotRun
from runtime.liveness_checks import file_exists
from runtime.run_folder import RunFolder, write_whole
from runtime.settings import Settings
from services.names import SERVICES

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FREE_PORTS_ATTEMPTS = 3
NEED_TEMPORAL = {"saga-worker", "kafka-bridge"}
"""These do not start without it; the API and the Celery worker do."""

NEIGHBOURS = {"api", "saga-worker"}
"""These look for each other, and for other processes, in the run folder."""

CONSUME_KAFKA = {*SERVICES, "order-mails", "kafka-bridge"}

FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc keeps free memory for each thread apart, which is of no use to threads that compute one at a time."""


class StackReporter(Reporter, Protocol):
    def starting(self, names: list[str]) -> None: ...
    def ready(self, content: dict[str, Any], seconds: float) -> None: ...
    def stopping(self) -> None: ...


def run_stack(
    settings: Settings, names: list[str], *, free_ports: bool, ready_file: Path | None, reporter: StackReporter
) -> None:
    """Run until SIGTERM or Ctrl-C, on the main thread.

    Raises:
        CannotRun: a port or the data folder is in use, or a program keeps dying.
    """
    settings = settings.with_changes(data_dir=settings.data_dir.absolute())
    with only_stack_in(settings.data_dir), PortReservations() as ports:
        if not free_ports:
            refuse_taken_ports(settings, names)
            EmbeddedStack(settings, names, ready_file, reporter).run_until_stopped()
            return
        for _ in range(FREE_PORTS_ATTEMPTS):
            stack = EmbeddedStack(with_free_ports(settings, names, ports), names, ready_file, reporter)
            if stack.run_until_stopped(unless_ports_are_lost=True):
                return
        raise CannotRun(f"other programs took the free ports, {FREE_PORTS_ATTEMPTS} times in a row")


class EmbeddedStack:
    def __init__(self, settings: Settings, names: list[str], ready_file: Path | None, reporter: StackReporter) -> None:
        self._settings = settings
        self._names = names
        self._ready_file = ready_file
        self._reporter = reporter
        self._began = time.monotonic()
        self._was_ready = False
        self._stopping = False
        self._hurry: asyncio.Task[None] | None = None
        self._pids: dict[str, int] = {}
        self._run_folder = RunFolder(settings.data_dir / "run")
        limits = Limits(
            start_deadline_seconds=settings.start_deadline_seconds,
            stop_deadline_seconds=settings.stop_deadline_seconds,
            max_log_bytes=settings.max_log_bytes,
        )
        self._supervisor = Supervisor(settings.data_dir / "logs", limits, reporter, self._changed)

    def run_until_stopped(self, *, unless_ports_are_lost: bool = False) -> bool:
        """With `unless_ports_are_lost`, return False when another program took a port of ours before we were ready."""
        try:
            asyncio.run(self._run())
        except ProgramFailed:
            if unless_ports_are_lost and not self._was_ready and not all_ports_free(self._settings, self._names):
                return False
            raise
        return True

    async def _run(self) -> None:
        asked_to_stop = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, asked_to_stop)
        self._forget_ready_file()
        work = asyncio.create_task(self._start_and_watch())
        asked = asyncio.create_task(asked_to_stop.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            self._stopping = True
            self._forget_ready_file()
            for task in (work, asked):
                task.cancel()
            await asyncio.gather(work, asked, return_exceptions=True)
            await self._supervisor.stop()

    async def _start_and_watch(self) -> None:
        self._reporter.starting(self._names)
        processes = [self._process(name) for name in PROCESSES if name in self._names]
        embedded_broker = "kafka" in self._names
        events_again = embedded_broker and bool(processes)
        fill = partial(fill_broker, self._settings, events_again=events_again)
        engines = [engine(self._settings) for name, engine in ENGINES.items() if name in self._names]
        engines = [self._refilled(engine, fill) if engine.name == "kafka" else engine for engine in engines]
        migrated = asyncio.to_thread(migrate_databases, self._settings) if processes else asyncio.sleep(0)
        await asyncio.gather(self._supervisor.start(engines), migrated, self._given_temporal_is_prepared())
        if embedded_broker or processes:
            await asyncio.to_thread(fill)
        await self._supervisor.start(processes)
        self._reporter.ready(self._ready_content(), time.monotonic() - self._began)
        self._was_ready = True
        self._announce()
        await self._supervisor.watch()

    def _refilled(self, broker: Program, fill: Callable[..., None]) -> Program:
        """Give the broker what it lost whenever it was started again, with none of its consumers there meanwhile.

        They know offsets of messages that are no more, and would commit them; relays would mark events as published
        that the broker forgets until its topics have settled; a member that leaves while a group shares out wedges it.
        """

        async def refill() -> None:
            await asyncio.to_thread(fill, restarted=True)
            self._supervisor.let_back(CONSUME_KAFKA)

        away = partial(self._supervisor.keep_away, CONSUME_KAFKA)
        return replace(broker, before_restart=away, after_restart=refill)

    async def _given_temporal_is_prepared(self) -> None:
        """The embedded one makes the namespace at its start, from its command line."""
        if "temporal" not in self._names and not NEED_TEMPORAL.isdisjoint(self._names):
            from runtime.temporal_namespace import prepare_namespace  # noqa: PLC0415 - an embedded stack needs no client

            await asyncio.to_thread(prepare_namespace, self._settings, self._settings.start_deadline_seconds)

    def _changed(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._run_folder.announce(pids)
        if self._was_ready and not self._stopping:
            self._announce()

    def _announce(self) -> None:
        if self._ready_file is not None:
            write_whole(self._ready_file, self._ready_content())

    def _ready_content(self) -> dict[str, Any]:
        return ready_content(self._settings, self._names, self._pids)

    def _forget_ready_file(self) -> None:
        """Whoever waits for the file must not find that of a stack which has ended."""
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)

    def _on_signal(self, asked_to_stop: asyncio.Event) -> None:
        if not asked_to_stop.is_set():
            asked_to_stop.set()
            self._reporter.stopping()
        elif self._hurry is None:
            self._hurry = asyncio.create_task(self._supervisor.stop())

    def _process(self, name: str) -> Program:
        ready = self._run_folder.path / f"{name}.ready"
        ready.parent.mkdir(parents=True, exist_ok=True)
        settings = self._settings.with_changes(serve_ready_file=ready)
        if name in NEIGHBOURS:
            settings = settings.with_changes(embedded_run_dir=self._run_folder.path)
        if name in METRICS:
            settings = settings.with_changes(metrics_port=address_of(settings, METRICS[name]).port)
        self._run_folder.release(name)
        return Program(
            name=name,
            command=(sys.executable, "-m", "cli", "serve", name),
            environment=FEW_ARENAS | settings.as_environment(),
            answers=partial(file_exists, ready),
            before_start=partial(ready.unlink, missing_ok=True),
            is_held=partial(self._run_folder.holds, name),
        )
