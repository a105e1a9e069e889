"""Wakes a process that waits for a commit to a SQLite database: a FIFO beside the database file.

Never unlink the FIFO: a listener would keep the old one open and miss writers to the new one.
"""

import os
import select
from contextlib import suppress
from pathlib import Path

_READ_BYTES = 65_536
"""The capacity of a pipe: one read empties it."""


def notifier_path(database: Path) -> Path:
    return database.with_name(f"{database.name}.bell")


class CommitNotifier:
    """Any number of processes may notify. Within one process, use it under a lock."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        self._descriptor: int | None = None

    def notify(self) -> None:
        # ENXIO or ENOENT: no listener. EAGAIN: the FIFO is full of notifications that the listener has not read yet.
        with suppress(OSError):
            if self._descriptor is None:
                self._descriptor = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._descriptor, b".")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class CommitListener:
    """Only one listener per FIFO: a read consumes the notification."""

    def __init__(self, fifo: Path) -> None:
        with suppress(FileExistsError):
            os.mkfifo(fifo, 0o600)
        # Opened for writing too: without any writer, poll() would report a hang-up without end.
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Return whether there was a notification since the last call."""
        if not self._poll.poll(timeout_s * 1000):
            return False
        os.read(self._descriptor, _READ_BYTES)
        return True

    def close(self) -> None:
        os.close(self._descriptor)
