"""One stack on real servers, which the tests kill and start again by the script that started them."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.given_servers import VARIABLE
from tests.shop import Shop
from tests.stack import Stack, running_stack

SCRIPT = "TWINSAGA_TEST_SERVERS_SCRIPT"
"""A program that takes `kill DIR NAME` and `up DIR NAME`, DIR being the folder of the file with the addresses."""
START_DEADLINE_S = 180.0


@dataclass(frozen=True, slots=True)
class Servers:
    script: str
    folder: Path

    def kill(self, name: str) -> None:
        self._call("kill", name)

    def start(self, name: str) -> None:
        """Return when it answers."""
        self._call("up", name)

    def _call(self, verb: str, name: str) -> None:
        subprocess.run(  # noqa: S603 - given by whoever gave the servers
            [self.script, verb, str(self.folder), name], check=True, capture_output=True, timeout=START_DEADLINE_S
        )


@pytest.fixture(scope="session")
def servers() -> Servers:
    assert SCRIPT in os.environ, f"set {SCRIPT} to the program that can kill the servers"
    return Servers(os.environ[SCRIPT], Path(os.environ[VARIABLE]).parent)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("real")) as stack:
        yield stack


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    with stack.client() as client:
        shop = Shop(client)
        yield shop
        shop.assert_books_right()
