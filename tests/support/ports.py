"""Ports of this machine."""

import random
import socket

from embedded.ports import HIGHEST, LOWEST, is_free


def free_port() -> int:
    """Return a port below the range of outgoing connections.

    It is still free when a server is stopped and started again, and tests that run side by side hardly ever pick the
    same one. Port 0 gives no such port: the kernel may assign it again as soon as its socket is closed.
    """
    while True:
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - no secret
        if is_free("127.0.0.1", port):
            return port


def listens(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1.0)
        return connection.connect_ex(("127.0.0.1", port)) == 0
