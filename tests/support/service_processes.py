"""The choreographed services as processes (`twinsaga serve`), which a test can kill."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime import parent_death
from tests.support.stack import READY_DEADLINE_S, TWINSAGA
from tests.support.waiting import eventually

STOP_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    process: "subprocess.Popen[bytes]"
    ready_file: Path
    log: Path

    @property
    def joined(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
        return self.ready_file.exists()

    def await_joined(self) -> None:
        eventually(lambda: self.joined, f"it has joined its group; its output is in {self.log}", READY_DEADLINE_S)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_DEADLINE_S)

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE_S)


class ServiceProcesses:
    """`settings` become TWINSAGA_* variables of each process. Logs and ready files go into the folder."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {f"TWINSAGA_{name.upper()}": value for name, value in settings.items()}
        self._started: list[ServiceProcess] = []

    def start(self, name: str, **variables: str) -> ServiceProcess:
        """Start another process of the service with additional environment variables. Does not wait for it."""
        base = self._folder / f"{name}-{len(self._started)}"
        ready_file, log = base.with_suffix(".ready"), base.with_suffix(".log")
        environment = os.environ | self._environment | {"TWINSAGA_SERVE_READY_FILE": str(ready_file)} | variables
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*parent_death.command_prefix(), str(TWINSAGA), "serve", name],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started = ServiceProcess(process, ready_file, log)
        self._started.append(started)
        return started

    def close(self) -> None:
        for started in self._started:
            if started.process.poll() is None:
                started.kill()
