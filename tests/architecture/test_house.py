"""The tree is what the import contract believes it to be, and stays readable."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", "build", "dist", "node_modules", "var"}


def python_files() -> Iterator[Path]:
    for folder in sorted(ROOT.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in NOT_OURS:
            yield from sorted(folder.rglob("*.py"))


def top_level_packages() -> set[str]:
    found = {file.relative_to(ROOT).parts[0] for file in python_files()} - {"tests"}
    return found - {"bridges"} | {"twinsaga_bridges"}


def configured(tool: str, key: str) -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][tool][key])


def test_the_import_contract_covers_every_package() -> None:
    assert configured("importlinter", "root_packages") == top_level_packages()


def test_every_package_is_type_checked() -> None:
    assert configured("mypy", "packages") == top_level_packages() | {"tests"}
