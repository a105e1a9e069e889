"""What can be built from this repository: the wheel of the bridges, and no wheel of the application."""

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

from tests.support.checkout import ROOT, top_level_packages

BRIDGES = ROOT / "bridges"
PROJECT = tomllib.loads((BRIDGES / "pyproject.toml").read_text())["project"]


def build(project: Path, into: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603 - our own program


def test_a_wheel_of_the_application_is_refused(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)

    assert done.returncode == 1
    assert "runs from its checkout or its image" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_of_the_bridges_has_one_top_level_package(tmp_path: Path) -> None:
    done = build(BRIDGES, tmp_path)

    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    names = {name.partition("/")[0] for name in ZipFile(wheel).namelist()}
    assert names == {"twinsaga_bridges", f"twinsaga_bridges-{PROJECT['version']}.dist-info"}


def test_the_base_of_the_bridges_needs_temporal_alone() -> None:
    assert [requirement.partition(">")[0] for requirement in PROJECT["dependencies"]] == ["temporalio"]


def test_the_bridges_have_the_licence_of_the_project() -> None:
    assert (BRIDGES / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_image_is_built_from_every_package() -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}

    assert top_level_packages() - {"twinsaga_bridges"} | {"bridges", "hatch_build.py"} <= allowed
