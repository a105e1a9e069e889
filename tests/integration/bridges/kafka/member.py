"""One member of the bridge's group as a process. Arguments: broker, Temporal, namespace, file of the dead letters."""

import asyncio
import signal
import sys
import threading
from pathlib import Path

from kafka import KafkaConsumer
from temporalio.client import Client

from adapters.kafka.connection import KafkaConnection
from tests.integration.bridges.kafka.routes import ROUTES, TOPIC
from tests.support.real_servers import SHORTEST_SESSION_MS, given_servers
from twinsaga_bridges.kafka_into_workflow import KafkaIntoWorkflow, KafkaRecord, cloud_events

GROUP = "ledger-bridge"


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


async def main(bootstrap: str, temporal: str, namespace: str, graveyard: Path) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = await Client.connect(temporal, namespace=namespace)
    bridge = KafkaIntoWorkflow(
        client, {TOPIC: cloud_events}, ROUTES, lambda: connect(bootstrap), Graveyard(graveyard).bury
    )
    await bridge.run(stop, threading.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
