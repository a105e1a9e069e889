"""A Valkey server for one test."""

import gc
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.binaries import redis_binary
from embedded.ports import PortReservations
from tests.support.waiting import eventually


@contextmanager
def running_valkey(folder: Path) -> Iterator[str]:
    """Yield the URL, with the number of a database."""
    with PortReservations() as ports:
        port = ports.take("127.0.0.1")
        command = [redis_binary(None), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603 - our own program
            try:
                eventually(lambda: _listens(port), "Valkey listens")
                yield f"redis://127.0.0.1:{port}/2"
            finally:
                gc.collect()  # a Celery result calls Redis when it is collected: later, it would fail another test
                server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
