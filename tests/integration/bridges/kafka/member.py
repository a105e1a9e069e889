"""One member of the bridge's group as a process. Arguments: broker, Temporal, namespace, folder of its files.

It is killed by each record with the key KILLER.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from kafka import KafkaConsumer
from temporalio.client import Client

from messaging.kafka.connection import KafkaConnection
from tests.integration.bridges.kafka.routes import ROUTES, TOPIC
from tests.support.real_servers import SHORTEST_SESSION_MS, given_servers
from twinsaga_bridges.kafka_into_workflow import (
    AttemptsFolder,
    IncomingEvent,
    KafkaIntoWorkflow,
    KafkaRecord,
    cloud_events,
)

GROUP = "ledger-bridge"
KILLER = b"killer"


def connect(bootstrap: str) -> KafkaConsumer:
    session_ms = SHORTEST_SESSION_MS if given_servers() else 2_000
    return KafkaConnection(bootstrap=bootstrap, session_timeout_ms=session_ms, fetch_max_wait_ms=10).consumer(GROUP)


class Graveyard:
    """Stores dead letters in a file, one per line, so that they survive the process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def bury(self, record: KafkaRecord, why: Exception) -> None:
        with self._file.open("a") as letters:
            letters.write(f"{record.offset} {why}".replace("\n", " ") + "\n")

    @property
    def letters(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []


def read(record: KafkaRecord) -> IncomingEvent:
    if record.key == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    return cloud_events(record)


async def main(bootstrap: str, temporal: str, namespace: str, folder: Path) -> None:
    client = await Client.connect(temporal, namespace=namespace)
    bridge = KafkaIntoWorkflow(
        client,
        {TOPIC: read},
        ROUTES,
        lambda: connect(bootstrap),
        Graveyard(folder / "dead-letters").bury,
        attempts=AttemptsFolder(folder / "attempts"),
    )
    await bridge.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
