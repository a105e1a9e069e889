"""Free ports, reserved against the other stacks of this machine."""

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

# Below the kernel's range for outgoing connections, so that a port is still free when its process restarts.
LOWEST, HIGHEST = 15_000, 32_000
ATTEMPTS = 1_000


def is_free(host: str, port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return False
        return True


class PortReservations:
    """Locks a file for each port, so that stacks that start at the same time take different ports."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"twinsaga-ports-{os.getuid()}"
        self._held: list[tuple[int, Path]] = []

    def take(self, host: str) -> int:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for _ in range(ATTEMPTS):
            port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - not a secret
            if is_free(host, port) and self._locked(port):
                return port
        raise OSError(f"no free port found between {LOWEST} and {HIGHEST}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        while self._held:
            descriptor, path = self._held.pop()
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _locked(self, port: int) -> bool:
        path = self._folder / str(port)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its former holder may have unlinked the file between our open and our lock.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                self._held.append((descriptor, path))
                return True
        os.close(descriptor)
        return False
