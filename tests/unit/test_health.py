"""A process is healthy if it has written its ready file and still runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes.health import healthy
from runtime.readiness import announce_ready
from runtime.settings import Settings
from tests.support.ports import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(serve_ready_file=tmp_path / "ready", api_port=free_port())


def test_a_process_is_not_healthy_before_it_announces_itself(settings: Settings) -> None:
    assert not healthy("order-service", settings)
    announce_ready(settings)
    assert healthy("order-service", settings)


def test_without_a_ready_file_no_process_is_healthy(settings: Settings) -> None:
    assert not healthy("order-service", settings.with_changes(serve_ready_file=None))


def test_the_ready_file_of_a_killed_process_is_ignored(settings: Settings) -> None:
    assert settings.serve_ready_file is not None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        settings.serve_ready_file.write_text(f"{process.pid}\n")
        assert healthy("order-service", settings)
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but still a zombie

        assert not healthy("order-service", settings)
    assert not healthy("order-service", settings)


def test_an_api_that_does_not_answer_is_not_healthy(settings: Settings) -> None:
    announce_ready(settings)

    assert not healthy("api", settings)
