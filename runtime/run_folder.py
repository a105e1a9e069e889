"""Files by which the supervisor of the embedded stack and the API communicate: what runs, and what is held stopped.

They use files because neither has a connection to the other.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.private_files import replace_file


def ready_file_in(data_dir: Path) -> Path:
    """Where every running stack also writes its ready file, so that its data folder leads to its addresses."""
    return data_dir / "run" / "ready.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    path: Path

    def announce(self, pids: Mapping[str, int], *, parent: int) -> None:
        """Called by the supervisor. `parent`: the process id of the parent of our processes."""
        write_whole(self._processes, {"parent": parent, "processes": dict(pids)})

    def pids(self, parent: int) -> Mapping[str, int]:
        """Return process ids by name. Empty if it was another supervisor that wrote here last."""
        try:
            content: dict[str, Any] = json.loads(self._processes.read_text())
        except FileNotFoundError:
            return {}
        return content["processes"] if content["parent"] == parent else {}

    def hold(self, name: str) -> None:
        """Keep the program stopped until it is released: its exit does not count as a death."""
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
    """Replace the file atomically: a reader never sees half of it. Only our user may read it: it may hold secrets."""
    replace_file(file, json.dumps(content, indent=2) + "\n")
