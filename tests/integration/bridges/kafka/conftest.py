"""A Temporal server and a broker for each test, and the bridge between them."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
import pytest_asyncio
from kafka import KafkaAdminClient, KafkaProducer
from temporalio.client import Client
from temporalio.worker import Worker

from embedded.binaries import temporal_binary
from tests.given_servers import GivenServers, given_servers
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.member import GROUP, Graveyard, connect
from tests.integration.bridges.kafka.routes import ROUTES, TASK_QUEUE, TOPIC
from tests.integration.conftest import Broker
from tests.stack import eventually, free_port, listens
from twinsaga_bridges.kafka_into_workflow import Bury, Decoder, KafkaIntoWorkflow, Limits, Routes, cloud_events

T = TypeVar("T")


async def soon(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], deadline_s: float = 30.0) -> T:
    """Poll `look` until its answer is `wanted`, and return that answer."""
    end = time.monotonic() + deadline_s
    while True:
        found = await look()
        if wanted(found):
            return found
        assert time.monotonic() < end, f"not within {deadline_s} s; the last answer was {found!r}"
        await asyncio.sleep(0.05)


class TemporalServer:
    """A dev server that keeps its state in a file, so that it can be killed and started again."""

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

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class GivenTemporal(TemporalServer):
    """A real server, shared by the tests, with a namespace for each test."""

    def __init__(self, servers: GivenServers, folder: Path) -> None:
        super().__init__(folder)
        self._servers = servers

    @property
    def address(self) -> str:
        return self._servers.temporal

    def start(self) -> None:
        self.namespace = self._servers.make_namespace(f"test-{uuid4().hex[:8]}")

    def kill(self) -> None:
        """Keep the shared server running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """The engines and clients that a test uses."""

    client: Client
    server: TemporalServer
    broker: Broker
    graveyard: Graveyard
    folder: Path

    def send(self, *events: tuple[str, str, str, int], **more_headers: str) -> None:
        """Send events, each a tuple (event id, type, key, number)."""
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
        """Query the entries of a ledger; none if the ledger does not exist yet."""
        try:
            return await self.client.get_workflow_handle(f"ledger/{key}").query(Ledger.numbers)
        except Exception:  # noqa: BLE001 - the caller polls until its deadline
            return []

    def committed(self) -> int:
        """Return how many records the group has committed, over all partitions."""
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
    ) -> AsyncIterator[None]:
        stop, joined = threading.Event(), threading.Event()
        bootstrap = self.broker.bootstrap
        bridge = KafkaIntoWorkflow(
            client or self.client,
            {TOPIC: decoder},
            routes,
            lambda: connect(bootstrap),
            bury or self.graveyard.bury,
            limits=limits,
        )
        running = asyncio.create_task(bridge.run(stop, joined))
        try:
            assert await asyncio.to_thread(joined.wait, 30)
            yield
        finally:
            stop.set()
            await running

    def member(self) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Run another member of the group as a process."""
        return self.process("member", str(self.folder / "dead-letters"))

    @contextmanager
    def process(self, name: str, argument: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run one of the programs in this folder."""
        servers = [self.broker.bootstrap, self.server.address, self.server.namespace]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", f"tests.integration.bridges.kafka.{name}", *servers, argument],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


async def _connected(server: TemporalServer) -> Client:
    """Connect when the server is healthy, which is shortly after it listens."""

    async def attempt() -> Client | None:
        try:
            return await Client.connect(server.address, namespace=server.namespace)
        except RuntimeError:
            return None

    client = await soon(attempt, lambda found: found is not None)
    assert client is not None
    return client


@pytest_asyncio.fixture
async def estate(tmp_path: Path, broker: Broker) -> AsyncIterator[Estate]:
    servers = given_servers()
    server = GivenTemporal(servers, tmp_path) if servers else TemporalServer(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        client = await _connected(server)
        estate = Estate(
            client=client,
            server=server,
            broker=broker,
            graveyard=Graveyard(tmp_path / "dead-letters"),
            folder=tmp_path,
        )
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[Ledger]):
            yield estate
    finally:
        server.kill()


@pytest.fixture
def partitions() -> int:
    return 4
