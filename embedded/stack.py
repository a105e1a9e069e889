"""The embedded stack: the engines, then our processes on them, under one supervisor."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from pydantic import SecretStr

from embedded.addresses import METRICS, address_of, all_ports_free, ready_content, refuse_taken_ports, with_free_ports
from embedded.development_secrets import DevelopmentSecrets, development_secrets
from embedded.engines import ENGINES
from embedded.forks import Forks
from embedded.payload_encryption import with_encryption
from embedded.ports import PortReservations
from embedded.program import Program
from embedded.supervisor import Limits, ProgramFailed, Reporter, Supervisor
from messaging.errors import Fault
from processes.registry import CODEC_SERVER, PROCESSES
from runtime.databases import migrate_databases
from runtime.errors import CannotRun
from runtime.readiness import file_exists
from runtime.run_folder import RunFolder, ready_file_in, write_whole
from runtime.settings import Settings
from services.names import SERVICES

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FREE_PORTS_ATTEMPTS = 3
NEED_TEMPORAL = {"saga-worker", "kafka-bridge"}
"""These cannot start without Temporal; the API and the Celery worker can."""

CONSUME_KAFKA = {*SERVICES, "order-mails", "kafka-bridge"}

FULL_DISK_PAUSE_S = 1.0
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc keeps a pool of free memory for each thread, which is a waste where only one thread runs at a time."""


class StackReporter(Reporter, Protocol):
    def starting(self, names: list[str]) -> None: ...
    def ready(self, content: dict[str, Any], seconds: float) -> None: ...
    def stopping(self) -> None: ...


def run_stack(
    settings: Settings,
    names: list[str],
    *,
    free_ports: bool,
    encrypt_payloads: bool,
    ready_file: Path | None,
    reporter: StackReporter,
) -> None:
    """Run until SIGTERM or Ctrl-C, on the main thread.

    Raises CannotRun: a port or the data folder is in use, or a program keeps dying.
    """
    os.umask(0o077)  # databases, logs, mails and videos of the engines and of our processes: for our user only
    settings = named(settings.with_changes(data_dir=settings.data_dir.absolute()), names)
    with locked_for_one_stack(settings.data_dir), PortReservations() as ports:
        settings = with_encryption(settings, asked=encrypt_payloads)
        if settings.payload_keys is not None and "temporal" in names and CODEC_SERVER not in names:
            names = [*names, CODEC_SERVER]  # what Temporal's UI shows would be unreadable without it
        if not free_ports:
            refuse_taken_ports(settings, names)
            EmbeddedStack(settings, names, ready_file, reporter).run_until_stopped()
            return
        for _ in range(FREE_PORTS_ATTEMPTS):
            stack = EmbeddedStack(with_free_ports(settings, names, ports), names, ready_file, reporter)
            if stack.run_until_stopped(unless_ports_are_lost=True):
                return
        raise CannotRun(f"other programs took the free ports, {FREE_PORTS_ATTEMPTS} times in a row")


def named(settings: Settings, names: Collection[str]) -> Settings:
    """Name the installation if all of it runs here. A new name each time will do: the broker keeps no events."""
    if settings.installation or not {"kafka", *SERVICES} <= set(names):
        return settings
    return settings.with_changes(installation=f"up-{uuid4().hex[:8]}")


@contextmanager
def locked_for_one_stack(folder: Path) -> Iterator[None]:
    """Lock the data folder; the lock ends with this process. Raises CannotRun if another stack holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # an older version made it readable for everyone
    with (folder / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise CannotRun(
                f"another stack (process {holder}) runs in {folder}: stop it, or choose another folder with --data"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class EmbeddedStack:
    def __init__(self, settings: Settings, names: list[str], ready_file: Path | None, reporter: StackReporter) -> None:
        self._settings = settings
        self._names = names
        self._ready_files = [ready_file_in(settings.data_dir), *([ready_file] if ready_file else [])]
        self._reporter = reporter
        self._began = time.monotonic()
        self._was_ready = False
        self._stopping = False
        self._killing: asyncio.Task[None] | None = None
        self._pids: dict[str, int] = {}
        self._secrets: DevelopmentSecrets | None = None
        self._run_folder = RunFolder(settings.data_dir / "run")
        self._forks = Forks(modules_of(names), FEW_ARENAS)
        limits = Limits(
            start_deadline_seconds=settings.start_deadline_seconds,
            stop_deadline_seconds=settings.stop_deadline_seconds,
            max_log_bytes=settings.max_log_bytes,
        )
        self._supervisor = Supervisor(settings.data_dir / "logs", limits, reporter, self._changed)

    def run_until_stopped(self, *, unless_ports_are_lost: bool = False) -> bool:
        """With `unless_ports_are_lost`, return False if another program took a port before the stack was ready."""
        try:
            asyncio.run(self._run())
        except ProgramFailed:
            if unless_ports_are_lost and not self._was_ready and not all_ports_free(self._settings, self._names):
                return False
            raise
        return True

    async def _run(self) -> None:
        stop_requested = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, stop_requested)
        self._forget_ready_file()
        work = asyncio.create_task(self._start_and_watch())
        stopped = asyncio.create_task(stop_requested.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            self._stopping = True
            self._forget_ready_file()
            for task in (work, stopped):
                task.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
            await self._supervisor.stop()
            await self._forks.close()

    async def _start_and_watch(self) -> None:
        self._reporter.starting(self._names)
        processes = [name for name in PROCESSES if name in self._names]
        fill = partial(fill_broker, self._settings, events_again="kafka" in self._names)
        engines = [engine(self._settings) for name, engine in ENGINES.items() if name in self._names]
        if processes:  # engines alone serve a project that is not ours
            engines = [self._refilled(engine, fill) if engine.name == "kafka" else engine for engine in engines]
            await self._forks.prepare()
        migrated = asyncio.to_thread(migrate_databases, self._settings) if processes else asyncio.sleep(0)
        await asyncio.gather(self._supervisor.start(engines), migrated, self._prepare_given_temporal())
        if processes:
            await asyncio.to_thread(fill)
        if "api" in self._names and self._settings.environment == "development":
            self._secrets = await asyncio.to_thread(development_secrets, self._settings)
        await self._supervisor.start([self._process(name) for name in PROCESSES if name in self._names])
        self._reporter.ready(self._ready_content(), time.monotonic() - self._began)
        self._was_ready = True
        self._announce()
        await self._supervisor.watch()

    def _refilled(self, broker: Program, fill: Callable[..., None]) -> Program:
        """Refill the broker after each restart, with its consumers stopped meanwhile.

        Consumers would commit offsets of lost messages. Relays would mark events as published that the broker loses
        until its topics have settled. A member that leaves during a rebalance blocks its group.
        """

        async def refill() -> None:
            await asyncio.to_thread(fill, restarted=True)
            self._supervisor.let_back(CONSUME_KAFKA)

        away = partial(self._supervisor.keep_away, CONSUME_KAFKA)
        return replace(broker, before_restart=away, after_restart=refill)

    async def _prepare_given_temporal(self) -> None:
        """Create the namespace on a Temporal server that was not started here; ours creates it from its options."""
        if "temporal" not in self._names and not NEED_TEMPORAL.isdisjoint(self._names):
            from runtime.temporal_namespace import prepare_namespace  # noqa: PLC0415 - an embedded stack needs no client

            await asyncio.to_thread(prepare_namespace, self._settings, self._settings.start_deadline_seconds)

    def _changed(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._say_what_runs()

    def _say_what_runs(self) -> None:
        try:
            self._run_folder.announce(self._pids, parent=self._forks.parent)
            if self._was_ready and not self._stopping:
                self._announce()
        except OSError:  # a full disk
            asyncio.get_running_loop().call_later(FULL_DISK_PAUSE_S, self._say_what_runs)

    def _announce(self) -> None:
        for ready_file in self._ready_files:
            write_whole(ready_file, self._ready_content())

    def _ready_content(self) -> dict[str, Any]:
        content = ready_content(self._settings, self._names, self._pids)
        return content | (asdict(self._secrets) if self._secrets else {})

    def _forget_ready_file(self) -> None:
        """A script that waits for the file must not find the one of a stack that has ended."""
        for ready_file in self._ready_files:
            ready_file.unlink(missing_ok=True)

    def _on_signal(self, stop_requested: asyncio.Event) -> None:
        if not stop_requested.is_set():
            stop_requested.set()
            self._reporter.stopping()
        elif self._killing is None:
            self._killing = asyncio.create_task(self._supervisor.stop())

    def _process(self, name: str) -> Program:
        ready = self._run_folder.path / f"{name}.ready"
        ready.parent.mkdir(parents=True, exist_ok=True)
        settings = self._settings.with_changes(serve_ready_file=ready)
        if name == "api":  # its page has buttons that stop, start and kill the processes
            settings = settings.with_changes(embedded_run_dir=self._run_folder.path)
            if self._secrets is not None:
                settings = settings.with_changes(
                    api_key=SecretStr(self._secrets.api_key), webhook_secret=SecretStr(self._secrets.webhook_secret)
                )
        if name in METRICS:
            settings = settings.with_changes(metrics_port=address_of(settings, METRICS[name]).port)
        self._run_folder.release(name)
        return Program(
            name=name,
            command=("cli", "serve", name),
            environment=FEW_ARENAS | settings.as_environment(),
            launch=self._forks.launch,
            answers=partial(file_exists, ready),
            before_start=partial(ready.unlink, missing_ok=True),
            is_held=partial(self._run_folder.holds, name),
        )


def modules_of(names: Collection[str]) -> Sequence[str]:
    """Return what the processes of these names import."""
    return ["cli.main", "runtime.logs", *sorted({PROCESSES[name] for name in names if name in PROCESSES})]


def fill_broker(settings: Settings, *, events_again: bool, restarted: bool = False) -> None:
    """Restore what the embedded broker keeps in memory only. Raises CannotRun: it or a database does not answer.

    Create the missing topics. With `events_again`, republish the events of unfinished orders from the event logs.

    `restarted`: clients are connected already. Their metadata requests create topics too, which are then replaced, so
    wait until the topics have settled: an event that is published earlier could be lost.
    """
    # Imported here, so that the engines start before the clients of Kafka and of the databases are loaded.
    from runtime.kafka import await_settled_topics, create_topics  # noqa: PLC0415

    create_topics(settings)
    if restarted:
        await_settled_topics(settings)
    if events_again:
        from runtime.republish import publish_unfinished_again  # noqa: PLC0415
        from runtime.wiring import Databases  # noqa: PLC0415

        try:
            with closing(Databases.open(settings)) as databases:
                publish_unfinished_again(databases)
        except Fault as fault:
            raise CannotRun(f"the events of unfinished orders could not be republished: {fault}") from fault
