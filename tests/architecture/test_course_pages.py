"""The pages of the course, in Portuguese, name tests and files that exist."""

import re
from pathlib import Path

import pytest

from tests.architecture.test_bridge_pages import NAME, every_test

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "curso").glob("*.md"))
FILE = re.compile(r"`((?:\w+/)+(?:[\w.]+)?)`")
"""A path in backquotes: a folder, which ends in a slash, or a file in one."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_and_file_exists(page: Path) -> None:
    text = page.read_text()
    assert set(NAME.findall(text)) - every_test() == set()
    assert [path for path in FILE.findall(text) if not (ROOT / path).exists()] == []


def test_each_chapter_has_tests() -> None:
    chapters = [page for page in PAGES if page.stem != "README"]
    assert {page.stem: len(set(NAME.findall(page.read_text()))) > 5 for page in chapters} == dict.fromkeys(
        [page.stem for page in chapters], True
    )
