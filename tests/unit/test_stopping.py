"""A command ends on SIGTERM, also as a background job of a shell script."""

import signal
import subprocess
import sys

import pytest

COMMAND = """
import asyncio, signal
from runtime.stopping import ended_as_by_ctrl_c

async def work():
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(30)
    print("the signal was ignored")

try:
    with ended_as_by_ctrl_c():
        asyncio.run(work())
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN], ids=["foreground", "background job of a script"])
def test_sigterm_ends_a_command(sigint: signal.Handlers) -> None:
    before = signal.signal(signal.SIGINT, sigint)  # a child inherits what is ignored
    try:
        command = [sys.executable, "-P", "-c", COMMAND]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program
    finally:
        signal.signal(signal.SIGINT, before)

    assert done.stdout == "ended\n"
