"""The log of one process: the process appends to it, its size is bounded, its end is shown when the process dies."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class ProcessLog:
    """Takes at most twice `max_bytes` on disk, plus what is written between two calls of `keep_bounded`."""

    path: Path
    max_bytes: int

    def begin(self) -> None:
        """Keep the log of the previous run as NAME.log.1."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.path.replace(self._previous)

    def open_for_append(self) -> int:
        """Return a file descriptor. With append mode the file can be truncated while a process writes to it."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def keep_bounded(self) -> None:
        if self.path.exists() and self.path.stat().st_size > self.max_bytes:
            try:
                shutil.copyfile(self.path, self._previous)
            except OSError:  # a full disk; then the log itself gives way
                self._previous.unlink(missing_ok=True)
            os.truncate(self.path, 0)

    def last_lines(self, count: int) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]

    @property
    def _previous(self) -> Path:
        return self.path.with_suffix(".log.1")
