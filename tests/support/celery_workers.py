"""`twinsaga serve celery-worker` on a Valkey of its own, without Temporal."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery
from redis import Redis

from estate.refused_messages import KEY
from runtime import parent_death
from runtime.settings import Settings
from tests.support.service_databases import migrated_files
from tests.support.stack import TWINSAGA
from tests.support.valkey import running_valkey
from tests.support.waiting import eventually

QUEUE = "twinsaga"
LEASE_S = 8
"""Of the messages of a dead worker, which come back then."""


@dataclass(frozen=True, slots=True)
class CeleryEstate:
    folder: Path
    redis: str
    smtp: str

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder)

    @property
    def broker(self) -> Redis:
        return Redis.from_url(f"{self.redis}/0")

    def refused(self) -> int:
        return int(Redis.from_url(f"{self.redis}/2").llen(KEY))

    def app(self) -> Celery:
        app = Celery("callers", broker=f"{self.redis}/0", backend=f"{self.redis}/1", set_as_current=False)
        app.conf.task_default_queue = QUEUE
        return app

    @contextmanager
    def worker(self, temporal: str = "127.0.0.1:9") -> Iterator["subprocess.Popen[bytes]"]:
        name = uuid4().hex[:8]
        ready, log = self.folder / f"{name}.ready", self.folder / f"{name}.log"
        settings = {
            "DATA_DIR": self.folder,
            "REDIS_URL": self.redis,
            "SMTP_ADDRESS": self.smtp,
            "TEMPORAL_ADDRESS": temporal,
            "SERVE_READY_FILE": ready,
            "CELERY_LEASE_SECONDS": LEASE_S,
        }
        environment = os.environ | {f"TWINSAGA_{name}": str(value) for name, value in settings.items()}
        command = [*parent_death.command_prefix(), str(TWINSAGA), "serve", "celery-worker"]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            eventually(ready.exists, f"the worker is ready; its log is {log}")
            yield process
        finally:
            kill(process)

    def held(self, task_id: str, *, redelivered: bool | None = False) -> bool:
        """Whether a worker, perhaps a dead one, has taken the task and not yet acknowledged it.

        `redelivered`: taken once more, or None for either.
        """
        broker: Any = self.broker
        messages = (
            json.loads(each)[0] for key in broker.scan_iter("unacked.*", _type="hash") for each in broker.hvals(key)
        )
        wanted = {True, False} if redelivered is None else {redelivered}
        return any(
            message["headers"]["id"] == task_id and message["headers"].get("redelivered", False) in wanted
            for message in messages
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the worker and its children at once, as when a machine dies."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@contextmanager
def celery_estate(folder: Path, smtp: str) -> Iterator[CeleryEstate]:
    migrated_files(folder)
    with running_valkey(folder) as url:
        yield CeleryEstate(folder, url.removesuffix("/2"), smtp)


def seconds_until(look: Any, what: str) -> float:  # noqa: ANN401 - as for `eventually`
    began = time.monotonic()
    eventually(look, what)
    return time.monotonic() - began
