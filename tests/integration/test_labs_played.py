"""`twinsaga lab` as a learner runs it: the broken copy, then the right code, and nothing left behind."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.stack import TWINSAGA
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.embedded("starts an embedded stack of its own")]

DEADLINE_S = 400.0
LAB = "13"


def lab(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [str(TWINSAGA), "lab", *options],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(folder)},
    )


def left_in(folder: Path) -> Sequence[Path]:
    """Without the folder in which all stacks of a machine reserve their ports: it stays, and is empty without them."""
    return [each for each in folder.rglob("*") if not each.name.startswith("twinsaga-ports-")]


def processes_of(folder: Path) -> Sequence[str]:
    """The command lines of processes whose environment or arguments name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            described = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in described and int(process.name) != os.getpid():
            found.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return found


def test_a_lab_names_the_broken_invariant_and_its_fix_is_clean(tmp_path: Path) -> None:
    broken = lab(tmp_path, LAB)
    assert broken.returncode == 0, broken.stdout + broken.stderr
    assert "a cancelled order has nothing captured on balance" in broken.stdout
    assert "orchestrated" in broken.stdout
    assert "choreographed" in broken.stdout

    mended = lab(tmp_path, LAB, "--fix")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "audit: every invariant holds (2 orders checked, 0 still pending)" in mended.stdout
    assert "def charge(" in mended.stdout

    assert left_in(tmp_path) == []
    assert processes_of(tmp_path) == []


def test_a_lab_without_a_run_shows_the_assertion_that_fails(tmp_path: Path) -> None:
    broken = lab(tmp_path, "12")

    assert broken.returncode == 0, broken.stdout + broken.stderr
    assert "test_one_key_is_one_order" in broken.stdout
    assert left_in(tmp_path) == []


def test_an_interrupted_lab_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [str(TWINSAGA), "lab", LAB],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        eventually(lambda: list(tmp_path.glob("*/logs/temporal.log")), "the engines start", 120.0)
        process.send_signal(signal.SIGINT)

        assert process.wait(90) != 0

    assert left_in(tmp_path) == []
    assert processes_of(tmp_path) == []
