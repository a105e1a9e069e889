"""One stack on real servers, which tests kill and restart with the script that started them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.servers import Servers
from tests.support.real_servers import VARIABLE
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack

SCRIPT = "TWINSAGA_TEST_SERVERS_SCRIPT"
"""A program that takes `kill DIR NAME` and `up DIR NAME`, DIR being the folder of the file with the addresses."""


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
