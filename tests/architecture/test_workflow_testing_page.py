"""The code on the pages about testing is the code of the tests that they name."""

import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "testing-workflows.md", ROOT / "docs" / "bridges" / "testing.md"]
BLOCK = re.compile(r"^ *`(tests/workflows/\w+\.py)`:$|^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
"""A line that names a file, or a block of Python."""


def snippets() -> list[tuple[str, str]]:
    """Each Python block, with the file that was named last before it. A line `...` separates parts of one block."""
    found: list[tuple[str, str]] = []
    file = ""
    for named, block in (each for page in PAGES for each in BLOCK.findall(page.read_text())):
        file = named or file
        found += [
            (file, part.strip("\n")) for part in re.split(r"^\.\.\.$", dedent(block), flags=re.MULTILINE) if block
        ]
    return found


@pytest.mark.parametrize(("file", "snippet"), snippets())
def test_a_snippet_is_in_the_test_that_it_is_taken_from(file: str, snippet: str) -> None:
    source = (ROOT / file).read_text()
    snippet = dedent(snippet)

    assert any(indent(snippet, " " * depth) in source for depth in (0, 4, 8)), f"{file} does not contain:\n{snippet}"


def test_the_page_has_the_snippets_that_are_checked() -> None:
    assert len(snippets()) >= 10


def test_files_that_the_page_names_exist() -> None:
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"`((?:tests|docs)/[\w/]+(?:\.\w+|/))`", text))

    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
