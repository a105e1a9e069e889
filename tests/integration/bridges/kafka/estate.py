"""A Temporal server, a broker, and the bridge between them."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaProducer
from temporalio.client import Client

from embedded.binaries import temporal_binary
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.member import GROUP, Graveyard, connect
from tests.integration.bridges.kafka.routes import ROUTES, TOPIC
from tests.support.broker import Broker
from tests.support.checkout import ROOT
from tests.support.ports import free_port, listens
from tests.support.real_servers import GivenServers
from tests.support.waiting import eventually, soon
from twinsaga_bridges.kafka_into_workflow import Bury, Decoder, KafkaIntoWorkflow, Limits, Routes, cloud_events


class TemporalServer:
    """The development server with its state in a file: it survives `kill` and `start`."""

    namespace = "default"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [temporal_binary(None), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port"]
        command += [str(self._port), "--disable-config-file", "--disable-config-env", "--log-level", "error"]
        command += ["--db-filename", str(self._folder / "temporal.db"), "--sqlite-pragma", "journal_mode=wal"]
        command += ["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"]
        with (self._folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
        eventually(lambda: listens(self._port), "Temporal listens")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class GivenTemporal(TemporalServer):
    """A real server with a new namespace. `kill` leaves it running."""

    def __init__(self, servers: GivenServers, folder: Path) -> None:
        super().__init__(folder)
        self._servers = servers

    @property
    def address(self) -> str:
        return self._servers.temporal

    def start(self) -> None:
        self.namespace = self._servers.make_namespace(f"test-{uuid4().hex[:8]}")

    def kill(self) -> None:
        """The server was not started by the tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The servers, the dead letters and the bridge of one test."""

    client: Client
    server: TemporalServer
    broker: Broker
    graveyard: Graveyard
    folder: Path

    def send(self, *events: tuple[str, str, str, int], **more_headers: str) -> None:
        """Each is (event id, type, key, number)."""
        with closing(KafkaProducer(bootstrap_servers=self.broker.bootstrap, acks="all")) as producer:
            for event_id, kind, key, number in events:
                headers = {
                    "ce_specversion": "1.0",
                    "ce_id": event_id,
                    "ce_type": kind,
                    "ce_source": "/test",
                    **more_headers,
                }
                producer.send(
                    TOPIC,
                    key=key.encode(),
                    value=json.dumps({"number": number}).encode(),
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )
            producer.flush(10)

    async def numbers(self, key: str) -> list[int]:
        """Return the numbers in the ledger; empty if the workflow does not exist."""
        try:
            return await self.client.get_workflow_handle(f"ledger/{key}").query(Ledger.numbers)
        except Exception:  # noqa: BLE001 - whatever it is, the caller looks again until its deadline
            return []

    def committed(self) -> int:
        """Return the number of committed records over all partitions."""
        with closing(KafkaAdminClient(bootstrap_servers=self.broker.bootstrap)) as admin:
            return sum(stored.offset for stored in admin.list_group_offsets(GROUP)[GROUP].values() if stored.offset > 0)

    async def await_committed(self, records: int) -> None:
        await soon(lambda: asyncio.to_thread(self.committed), lambda found: found == records)

    @asynccontextmanager
    async def bridging(
        self,
        client: Client | None = None,
        *,
        decoder: Decoder = cloud_events,
        routes: Routes = ROUTES,
        bury: Bury | None = None,
        limits: Limits | None = None,
        away: Sequence[type[Exception]] = (),
    ) -> AsyncIterator[KafkaIntoWorkflow]:
        stop, joined = threading.Event(), threading.Event()
        bootstrap = self.broker.bootstrap
        bridge = KafkaIntoWorkflow(
            client or self.client,
            {TOPIC: decoder},
            routes,
            lambda: connect(bootstrap),
            bury or self.graveyard.bury,
            limits=limits,
            away=away,
        )
        running = asyncio.create_task(bridge.run(stop, joined))
        try:
            assert await asyncio.to_thread(joined.wait, 30)
            yield bridge
        finally:
            stop.set()
            await running

    def member(self) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Start another member of the group as a process."""
        return self.process("member", str(self.folder))

    @contextmanager
    def process(self, name: str, argument: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run one of the modules in this folder."""
        servers = [self.broker.bootstrap, self.server.address, self.server.namespace]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", f"tests.integration.bridges.kafka.{name}", *servers, argument],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
