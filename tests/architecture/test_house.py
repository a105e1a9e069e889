"""The folders are those that the import contract and docs/architecture.md describe, and the project stands alone."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.checkout import NOT_OURS, ROOT, folder_of, python_files, top_level_packages

BIGGEST_SHARE = 0.2
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
OUTSIDE = re.compile(r"\.\./" + r"shared|shared/" + r"servers")
"""Put together, so that this file does not match."""


def our_files() -> Iterator[Path]:
    """Every text file of the repository; caches and generated folders are hidden or in NOT_OURS."""
    for entry in sorted(ROOT.iterdir()):
        if entry.is_file():
            yield entry
        elif entry.name == ".ci" or not (entry.name.startswith(".") or entry.name in NOT_OURS):
            yield from (file for file in sorted(entry.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def configured(tool: str, key: str) -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][tool][key])


def test_the_import_contract_covers_every_package() -> None:
    assert configured("importlinter", "root_packages") == top_level_packages()


def test_every_package_is_type_checked() -> None:
    assert configured("mypy", "packages") == top_level_packages() | {"tests"}


def test_no_folder_holds_more_than_a_fifth_of_the_product() -> None:
    lines = Counter[str]()
    for file in python_files():
        lines[folder_of(file)] += len(file.read_text().splitlines())
    del lines["tests"]

    assert {folder for folder, count in lines.items() if count > BIGGEST_SHARE * lines.total()} == set()


def test_no_installed_package_has_the_name_of_one_of_ours() -> None:
    # Our folders come after site-packages on the path, so the other package would be imported in their place.
    installed = {name for name, owners in packages_distributions().items() if set(owners) - {"twinsaga-bridges"}}

    assert installed & (top_level_packages() | {"tests"}) == set()


def test_the_architecture_page_has_a_line_for_each_folder() -> None:
    described = re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)

    assert sorted(described) == sorted({folder_of(file) for file in python_files()})


def test_the_architecture_page_names_files_that_exist() -> None:
    named = re.findall(r"`([\w/]+/\w+\.py)`", ARCHITECTURE)

    assert len(named) > 20
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_nothing_refers_to_files_outside_of_the_repository() -> None:
    files = list(our_files())

    assert ROOT / ".ci" / "run" in files
    assert [file for file in files if OUTSIDE.search(file.read_bytes().decode(errors="replace"))] == []
