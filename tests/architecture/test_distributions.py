"""What can be built from this repository: the wheel of the bridges, and no wheel of the application."""

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain
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


def test_the_bridges_import_only_what_they_declare() -> None:
    # `celery[redis]`; temporalio's API takes messages of protobuf
    come_along = {"celery": {"kombu", "redis"}, "kafka-python": {"kafka"}, "temporalio": {"google"}}
    extras = PROJECT["optional-dependencies"].values()
    declared = {re.split(r"[<>=\[]", each)[0] for each in chain(PROJECT["dependencies"], *extras)}
    known = {name.replace("-", "_") for name in declared}.union(*(come_along.get(name, set()) for name in declared))

    assert imported_by(BRIDGES / "twinsaga_bridges") - sys.stdlib_module_names - known == {"twinsaga_bridges"}


def imported_by(package: Path) -> set[str]:
    """The top-level names that the files of the package import, inside functions too."""
    nodes = [node for file in package.rglob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules}


def test_the_bridges_have_the_licence_of_the_project() -> None:
    assert (BRIDGES / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_image_is_built_from_every_package() -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}

    assert top_level_packages() - {"twinsaga_bridges"} | {"bridges", "hatch_build.py"} <= allowed
