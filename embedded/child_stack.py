"""A stack of its own for one command: `twinsaga up` as a child process, on free ports, stopped at the end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from runtime import parent_death
from runtime.errors import CannotRun
from runtime.settings import Settings

LOOK_EVERY_S = 0.05
CONNECTIONS = 64
KEEP_IDLE_S = 2.0


@contextmanager
def child_stack(settings: Settings, folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    """Yield the content of the ready file. Without names everything is started; the stack dies with this process.

    Raises:
        CannotRun: the stack did not come up; the message has the last lines that it printed.
    """
    ready, log = folder / "ready.json", folder / "up.log"
    up = [sys.executable, "-m", "cli", "up", "--free-ports", "--data", str(folder), "--ready-file", str(ready)]
    command = [*parent_death.command_prefix(), *up, *(("--only", ",".join(names)) if names else ())]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=settings.as_environment(),
            start_new_session=True,
        )
    try:
        _await(process, ready, log, settings.start_deadline_seconds)
        yield json.loads(ready.read_text())
    finally:
        _stop(process, settings.stop_deadline_seconds)


def calls_to(api: str, timeout_s: float) -> httpx.AsyncClient:
    """A client that gives up an idle connection before uvicorn does: no call goes out on one that is just closing."""
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEP_IDLE_S)
    return httpx.AsyncClient(base_url=api, timeout=timeout_s, limits=limits)


def _await(process: "subprocess.Popen[bytes]", ready: Path, log: Path, deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            lines = "\n    ".join(log.read_text(errors="replace").splitlines()[-20:])
            raise CannotRun(f"the stack did not come up. It printed:\n    {lines}")
        time.sleep(LOOK_EVERY_S)


def _stop(process: "subprocess.Popen[bytes]", deadline_s: float) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3 * deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
