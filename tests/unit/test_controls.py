"""The API controls other processes in the embedded stack only."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.dependencies import Neighbour
from api.problems import NotFound, NotPossibleNow
from processes.api.process_control import NeighbourControls, controls_in
from runtime.run_folder import RunFolder
from runtime.settings import Settings


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that is not a sibling of this one."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        assert process.poll() is None
        process.kill()


def test_there_are_no_controls_outside_the_embedded_stack(tmp_path: Path) -> None:
    assert controls_in(Settings(data_dir=tmp_path)) is None


def test_there_are_no_controls_in_production_even_with_a_run_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path).with_changes(embedded_run_dir=tmp_path, environment="production")

    assert controls_in(settings) is None


def test_processes_of_another_supervisor_are_not_controlled(tmp_path: Path, stranger: int) -> None:
    folder = RunFolder(tmp_path)
    folder.announce({"payment-service": stranger}, parent=os.getppid() + 1)
    controls = NeighbourControls(folder)

    assert controls.neighbours() == []
    with pytest.raises(NotFound):
        controls.kill("payment-service")


def test_a_process_that_is_not_a_sibling_is_not_signalled(tmp_path: Path, stranger: int) -> None:
    folder = RunFolder(tmp_path)
    folder.announce({"payment-service": stranger, "api": os.getpid()}, parent=os.getppid())
    controls = NeighbourControls(folder)

    assert controls.neighbours() == [Neighbour("payment-service", "starting")]
    for act in (controls.stop, controls.kill):
        with pytest.raises(NotPossibleNow):
            act("payment-service")
    with pytest.raises(NotFound):
        controls.kill("api")
    assert not folder.holds("payment-service")


def test_a_process_that_is_held_and_gone_is_stopped_and_can_be_started(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.hold("payment-service")
    controls = NeighbourControls(folder)

    assert controls.neighbours() == [Neighbour("payment-service", "stopped")]
    with pytest.raises(NotPossibleNow, match="stopped"):
        controls.stop("payment-service")
    controls.start("payment-service")

    assert not folder.holds("payment-service")
    assert controls.neighbours() == [Neighbour("payment-service", "starting")]
