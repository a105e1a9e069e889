"""Temporal, Valkey and Celery workers as processes of the tests."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Connection
from redis import Redis
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from embedded.binaries import redis_binary, temporal_binary
from runtime import parent_death
from tests.support.checkout import ROOT
from tests.support.ports import listens
from tests.support.waiting import eventually

ESTATE = "tests.integration.bridges.celery_tasks.estate"
DIE_IN_SUCCESS = "die inside the success signal"
POOL = os.environ.get("TWINSAGA_TEST_CELERY_POOL", "prefork")
READY = b" ready."  # what a Celery worker logs when it consumes


needs_children = pytest.mark.skipif(POOL != "prefork", reason="only the pool prefork has children, and ends a task")
"""For tests that kill a child of the worker, or have it end a running task."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """`broker` differs from `redis` where a test stops the broker, or where RabbitMQ is the broker."""

    temporal: str
    redis: str
    broker: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "ESTATE_TEMPORAL": self.temporal,
            "ESTATE_BROKER": self.broker,
            "ESTATE_RESULTS": f"{self.redis}/1",
            "ESTATE_CLAIMS": f"{self.redis}/2",
            "ESTATE_NOTES": f"{self.redis}/3",
        }

    @property
    def on_redis(self) -> bool:
        return self.broker.startswith("redis")

    def enqueued(self, queue: str) -> int:
        with Connection(self.broker) as connection:
            channel: Any = connection.default_channel  # its type has no methods
            return int(channel.queue_declare(queue, passive=True).message_count)

    def broker_client(self) -> Redis:
        if not self.on_redis:
            pytest.skip("looks into the broker, and can do so with Redis only")
        return Redis.from_url(self.broker)

    def notes(self) -> Redis:
        return Redis.from_url(f"{self.redis}/3")


@contextmanager
def running(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator["Engine"]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [*parent_death.command_prefix(), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,  # Celery, too, imports from its current folder first
            start_new_session=True,
        )
    engine = Engine(process, log)
    try:
        yield engine
    finally:
        engine.kill_all()


@dataclass(slots=True)
class Engine:
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill_all(self) -> None:
        """SIGKILL to the process and all of its children at once, as when a machine dies."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def valkey(folder: Path, port: int, *, durable: bool = False) -> Iterator[str]:
    command = [redis_binary(None), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
    with running(command, folder / f"valkey-{port}.log"):
        eventually(lambda: listens(port), "Valkey listens")
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            gc.collect()  # as in `running_valkey`


@contextmanager
def temporal(folder: Path, port: int) -> Iterator[str]:
    command = [temporal_binary(None), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--disable-config-file", "--disable-config-env", "--log-level", "error"]
    command += ["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"]
    with running(command, folder / "temporal.log"):
        eventually(lambda: listens(port), "Temporal listens")
        eventually(lambda: _knows_namespace(f"127.0.0.1:{port}"), "Temporal has its namespace")
        yield f"127.0.0.1:{port}"


def _knows_namespace(target: str) -> bool:
    """The server listens before it can serve."""

    async def ask() -> bool:
        try:
            client = await Client.connect(target)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except (RuntimeError, RPCError):
            return False
        return True

    with ThreadPoolExecutor(1) as thread:  # the caller may be on an event loop
        return thread.submit(asyncio.run, ask()).result()


@contextmanager
def celery_worker(
    addresses: Addresses, folder: Path, *options: str, queue: str = "celery", concurrency: int = 2
) -> Iterator[Engine]:
    name = uuid4().hex[:8]
    command = [sys.executable, "-m", "celery", "-A", ESTATE, "worker", "--pool", POOL, "--loglevel", "INFO"]
    command += ["--concurrency", str(concurrency), "--queues", queue, "--hostname", f"{name}@%h"]
    command += ["--without-gossip", "--without-mingle", *options]
    with running(command, folder / f"celery-{name}.log", addresses.environment) as worker:
        eventually(lambda: READY in worker.log.read_bytes(), f"Celery is ready; its log is {worker.log}")
        yield worker


def celery_client(addresses: Addresses) -> Celery:
    """An app without tasks, as in the code base of a remote caller."""
    app = Celery("callers", broker=addresses.broker, backend=f"{addresses.redis}/1", set_as_current=False)
    # By default, only the thread that sent a group can wait for its results.
    app.conf.update(result_backend_thread_safe=True, result_chord_join_timeout=10)
    app.conf.broker_transport_options = {"socket_timeout": 5, "socket_connect_timeout": 2, "max_retries": 1}
    return app
