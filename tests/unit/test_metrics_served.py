"""The metrics server of a process that forks, as the Celery worker does."""

import subprocess
import sys

from tests.support.ports import free_port, listens

FORKING = """
import os, signal, sys
from runtime.metrics import metrics_served
from runtime.settings import Settings
from tests.support.ports import listens

port = int(sys.argv[1])
runs, begun = os.pipe()
with metrics_served(Settings(metrics_port=port)):
    child = os.fork()
    if not child:
        os.write(begun, b".")
        signal.pause()
    os.read(runs, 1)
    assert listens(port)
print("held" if listens(port) else "released")
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""


def test_a_child_does_not_keep_the_port_of_its_parent() -> None:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(port)]

    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own script

    assert ended.stdout == "released\n"
    assert not listens(port)
