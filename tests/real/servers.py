"""Kill and restart the real servers with the script that started them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

START_DEADLINE_S = 180.0


@dataclass(frozen=True, slots=True)
class Servers:
    script: str
    folder: Path

    def kill(self, name: str) -> None:
        self._call("kill", name)

    def start(self, name: str) -> None:
        """Return when the server answers."""
        self._call("up", name)

    def _call(self, verb: str, name: str) -> None:
        subprocess.run(  # noqa: S603 - the script that belongs to the given servers
            [self.script, verb, str(self.folder), name], check=True, capture_output=True, timeout=START_DEADLINE_S
        )
