"""A client that cannot connect leaks no thread and no socket: during an outage, connecting is retried many times."""

import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka.errors import KafkaError

from messaging.kafka.connection import KafkaConnection
from tests.support.ports import free_port


def threads_and_files() -> tuple[set[threading.Thread], set[Path]]:
    gc.collect()  # kafka-python leaves the socket of a refused connection to the garbage collector
    return set(threading.enumerate()), {file for file in Path("/proc/self/fd").iterdir() if file.exists()}


@pytest.mark.parametrize(
    "make",
    [
        lambda nowhere: nowhere.producer(),
        lambda nowhere: nowhere.consumer("a-group"),
        lambda nowhere: nowhere.reader(),
        lambda nowhere: nowhere.admin(0.2),
    ],
    ids=["producer", "consumer", "reader", "admin"],
)
def test_a_client_that_cannot_connect_leaves_no_thread_and_no_socket(
    make: Callable[[KafkaConnection], object], caplog: pytest.LogCaptureFixture
) -> None:
    # A captured log record keeps the exception, whose frames keep the sockets.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    nowhere = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}", connect_timeout_ms=200, answer_timeout_ms=200)
    threads, files = threads_and_files()

    for _ in range(2):
        with pytest.raises(KafkaError):
            make(nowhere)

    threads_now, files_now = threads_and_files()
    assert (threads_now - threads, files_now - files) == (set(), set())


def test_a_client_that_cannot_connect_says_why() -> None:
    with pytest.raises(KafkaError, match=r"Unable to bootstrap from 127\.0\.0\.1:\d+: .*ECONNREFUSED"):
        KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}").admin(0.2)
