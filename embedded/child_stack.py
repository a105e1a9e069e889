"""A stack for one command: `twinsaga up` as a child process on free ports, stopped at the end."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from runtime import parent_death
from runtime.errors import CannotRun
from runtime.settings import Settings

POLL_INTERVAL_S = 0.05
CONNECTIONS = 64
KEEP_IDLE_S = 2.0


@contextmanager
def child_stack(settings: Settings, folder: Path, *names: str) -> Iterator[dict[str, Any]]:
    """Yield the content of the ready file. `names` are the processes to start, by default all of them.

    The stack ends with this process, even if this process is killed.

    Raises:
        CannotRun: the stack did not start; the message contains the last lines that it printed.
    """
    ready, log = folder / "ready.json", folder / "up.log"
    options = ["--free-ports", "--data", str(folder), "--ready-file", str(ready)]
    options += ["--only", ",".join(names)] if names else []
    command = [*parent_death.command_prefix(), *parent_death.python_module("cli", "up", *options)]
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
    """Return a client that drops an idle connection before uvicorn does: no request meets a closing connection."""
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEP_IDLE_S)
    return httpx.AsyncClient(base_url=api, timeout=timeout_s, limits=limits)


def _await(process: "subprocess.Popen[bytes]", ready: Path, log: Path, deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            lines = "\n    ".join(log.read_text(errors="replace").splitlines()[-20:])
            raise CannotRun(f"the stack did not start. It printed:\n    {lines}")
        time.sleep(POLL_INTERVAL_S)


def _stop(process: "subprocess.Popen[bytes]", deadline_s: float) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3 * deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
