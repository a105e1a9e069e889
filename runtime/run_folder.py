"""What the supervisor of the embedded stack and the API tell each other: which processes run, and which shall not.

By way of files, since neither holds a connection to the other.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunFolder:
    path: Path

    def announce(self, pids: Mapping[str, int]) -> None:
        """Called by the supervisor, whose own process id it notes beside those of its programs."""
        write_whole(self._processes, {"supervisor": os.getpid(), "processes": dict(pids)})

    def pids(self, supervisor: int) -> Mapping[str, int]:
        """Nothing, if another supervisor was the last to announce here."""
        try:
            content: dict[str, Any] = json.loads(self._processes.read_text())
        except FileNotFoundError:
            return {}
        return content["processes"] if content["supervisor"] == supervisor else {}

    def hold(self, name: str) -> None:
        """Somebody wants the program to be away: its end is no death, and it is started when it is released."""
        self._hold_of(name).touch()

    def release(self, name: str) -> None:
        self._hold_of(name).unlink(missing_ok=True)

    def holds(self, name: str) -> bool:
        return self._hold_of(name).exists()

    @property
    def _processes(self) -> Path:
        return self.path / "processes.json"

    def _hold_of(self, name: str) -> Path:
        return self.path / f"{name}.held"


def write_whole(file: Path, content: Mapping[str, Any]) -> None:
    """A reader sees the old content or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(file)
