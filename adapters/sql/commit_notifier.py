"""Wakes who waits for a commit to a SQLite database, in whichever process: a FIFO beside the database's file.

It is never deleted: who has it open would no longer hear those who find another one in its place.
"""

import os
import select
from contextlib import suppress
from pathlib import Path

_DRAINED_AT_ONCE = 65_536


def notifier_path(database: Path) -> Path:
    return database.with_name(f"{database.name}.bell")


class CommitNotifier:
    """What is rung, by any number of threads and processes."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        self._descriptor: int | None = None

    def ring(self) -> None:
        """Not for two threads at once. Nobody may be there to hear it, or it may be ringing already."""
        with suppress(OSError):
            if self._descriptor is None:
                self._descriptor = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._descriptor, b".")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class CommitListener:
    """Who hears it: one at a time, since each ring is heard once."""

    def __init__(self, fifo: Path) -> None:
        with suppress(FileExistsError):
            os.mkfifo(fifo, 0o600)
        # For writing too: else it would count as hung up whenever nobody else has it open.
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rings = select.poll()
        self._rings.register(self._descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Return whether it rang since the last call."""
        if not self._rings.poll(timeout_s * 1000):
            return False
        os.read(self._descriptor, _DRAINED_AT_ONCE)
        return True

    def close(self) -> None:
        os.close(self._descriptor)
