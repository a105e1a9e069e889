"""The folders of this repository."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", "build", "dist", "node_modules", "var"}


def python_files() -> Iterator[Path]:
    """Every Python file in a folder; caches and generated folders are hidden or in NOT_OURS."""
    for folder in sorted(ROOT.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in NOT_OURS:
            yield from sorted(folder.rglob("*.py"))


def folder_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


def top_level_packages() -> set[str]:
    """The names under which our code is imported, without the tests and the examples."""
    found = {folder_of(file) for file in python_files()} - {"tests", "examples"}
    return found - {"bridges"} | {"twinsaga_bridges"}
