"""The stack as a user runs it: one `twinsaga up`, seen through its ready file and its HTTP API.

Its engines are the embedded ones, or, where TWINSAGA_TEST_SERVERS names them, real servers (see `given_servers`).
"""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2 as httpx

from processes.registry import CODEC_SERVER, PROCESSES
from runtime import parent_death
from runtime.settings import Settings
from tests.support.callers import KnownCaller
from tests.support.folder_of_a_user import imported_from, make_folder_of_a_user
from tests.support.waiting import eventually

TWINSAGA = Path(sys.executable).with_name("twinsaga")
READY_DEADLINE_S = 180.0
STOP_DEADLINE_S = 40.0
OURS = ",".join(name for name in PROCESSES if name != CODEC_SERVER)

T = TypeVar("T")
Json = dict[str, Any]


class Stack:
    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        ready_file: Path,
        log: Path,
        settings: Mapping[str, str],
        user_folder: Path,
    ) -> None:
        self._process = process
        self._ready_file = ready_file
        self._log = log
        self._settings = settings
        self.user_folder = user_folder

    @property
    def ready(self) -> Json:
        content: Json = json.loads(self._ready_file.read_text())
        return content

    @property
    def printed(self) -> str:
        """The output in the user's terminal."""
        return self._log.read_text()

    @property
    def data(self) -> Path:
        return Path(self.ready["data"])

    def settings(self) -> Settings:
        """The settings of its processes, such as the database URLs."""
        return Settings.model_validate({**self._settings, "data_dir": self.data})

    def client(self) -> httpx.Client:
        ready = self.ready
        caller = KnownCaller(ready["api_key"], ready["webhook_secret"])
        return httpx.Client(base_url=ready["api"], timeout=20.0, auth=caller)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process of the stack and wait until the supervisor has replaced it."""
        before = self.ready["processes"][name]
        os.kill(before, how)
        eventually(
            lambda: self.ready["processes"].get(name, before) != before, f"{name} is restarted", READY_DEADLINE_S
        )

    def await_ready(self) -> None:
        def look() -> bool:
            if self._process.poll() is not None:
                message = f"twinsaga up ended with {self._process.returncode}:\n{self._log.read_text()[-4000:]}"
                raise AssertionError(message)
            return self._ready_file.exists()

        eventually(look, f"the stack is ready; its output is in {self._log}", READY_DEADLINE_S)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@contextmanager
def running_stack(folder: Path, *options: str, **settings: str) -> Iterator[Stack]:
    """Start it in a folder of a user, with `settings` as TWINSAGA_* variables.

    With `--only` among the options, the caller provides the engines.
    """
    from tests.support.real_servers import given_servers  # noqa: PLC0415 - it waits with `eventually`

    servers = None if "--only" in options else given_servers()
    if servers is None:
        with _running(folder, options, settings) as stack:
            yield stack
        return
    with servers.emptied() as on_servers, _running(folder, ("--only", OURS, *options), on_servers | settings) as stack:
        yield stack


@contextmanager
def _running(folder: Path, options: Sequence[str], settings: Mapping[str, str]) -> Iterator[Stack]:
    ready_file, log = folder / "ready.json", folder / "up.log"
    command = [str(TWINSAGA), "up", "--free-ports", "--data", str(folder / "data"), "--ready-file", str(ready_file)]
    environment = os.environ | {f"TWINSAGA_{name.upper()}": value for name, value in settings.items()}
    user_folder = make_folder_of_a_user(folder)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*parent_death.command_prefix(), *command, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=user_folder,
            start_new_session=True,
        )
    stack = Stack(process, ready_file, log, settings, user_folder)
    try:
        stack.await_ready()
        yield stack
        assert imported_from(user_folder) == []
    finally:
        gc.collect()  # as in `running_valkey`
        if process.poll() is None:
            stack.stop()


def runs(pid: int) -> bool:
    """Whether the process runs. A zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
