"""A Temporal dev server and a broker of the tests' own, and the bridge between them."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from kafka import KafkaAdminClient, KafkaProducer
from temporalio.client import Client
from temporalio.worker import Worker

from bridges.kafka_into_workflow import KafkaIntoWorkflow, cloud_events
from runtime.binaries import temporal_binary
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.member import GROUP, Graveyard, connect
from tests.integration.bridges.kafka.routes import ROUTES, TASK_QUEUE, TOPIC
from tests.integration.conftest import Broker
from tests.stack import eventually, free_port, listens

T = TypeVar("T")


async def soon(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], deadline_s: float = 30.0) -> T:
    """Return the first answer that is wanted; the last one is in the error if none is."""
    end = time.monotonic() + deadline_s
    while True:
        found = await look()
        if wanted(found):
            return found
        assert time.monotonic() < end, f"not within {deadline_s} s; at last {found!r}"
        await asyncio.sleep(0.05)


class TemporalServer:
    """Keeps its state in a file, so that it can be killed and started again."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What a user of the bridge has."""

    client: Client
    server: TemporalServer
    broker: Broker
    graveyard: Graveyard
    folder: Path

    def send(self, *events: tuple[str, str, str, int], event_type: str | None = None) -> None:
        """Each is (event id, type, key, number)."""
        with closing(KafkaProducer(bootstrap_servers=self.broker.bootstrap, acks="all")) as producer:
            for event_id, kind, key, number in events:
                headers = {
                    "ce_specversion": "1.0",
                    "ce_id": event_id,
                    "ce_type": event_type or kind,
                    "ce_source": "/test",
                }
                producer.send(
                    TOPIC,
                    key=key.encode(),
                    value=json.dumps({"number": number}).encode(),
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )
            producer.flush(10)

    async def numbers(self, key: str) -> list[int]:
        """What the ledger has written; nothing if there is none."""
        try:
            return await self.client.get_workflow_handle(f"ledger/{key}").query(Ledger.numbers)
        except Exception:  # noqa: BLE001 - whatever it is, the caller looks again until its deadline
            return []

    def committed(self) -> int:
        """How many records the group has behind it, over all partitions."""
        with closing(KafkaAdminClient(bootstrap_servers=self.broker.bootstrap)) as admin:
            return sum(stored.offset for stored in admin.list_group_offsets(GROUP)[GROUP].values() if stored.offset > 0)

    async def await_committed(self, records: int) -> None:
        await soon(lambda: asyncio.to_thread(self.committed), lambda found: found == records)

    @asynccontextmanager
    async def bridging(self) -> AsyncIterator[None]:
        stop, joined = threading.Event(), threading.Event()
        bootstrap = self.broker.bootstrap
        bridge = KafkaIntoWorkflow(
            self.client, {TOPIC: cloud_events}, ROUTES, lambda: connect(bootstrap), self.graveyard.bury
        )
        running = asyncio.create_task(bridge.run(stop, joined))
        try:
            assert await asyncio.to_thread(joined.wait, 30)
            yield
        finally:
            stop.set()
            await running

    @contextmanager
    def member(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Another member, as a process."""
        arguments = [self.broker.bootstrap, self.server.address, str(self.folder / "dead-letters")]
        with (self.folder / "member.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "tests.integration.bridges.kafka.member", *arguments],
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
    """Connect once the server is healthy, which is a moment after it listens."""

    async def attempt() -> Client | None:
        try:
            return await Client.connect(server.address)
        except RuntimeError:
            return None

    client = await soon(attempt, lambda found: found is not None)
    assert client is not None
    return client


@pytest_asyncio.fixture
async def estate(tmp_path: Path, broker: Broker) -> AsyncIterator[Estate]:
    server = TemporalServer(tmp_path)
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
