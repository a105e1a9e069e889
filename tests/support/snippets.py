"""Includes the marked regions of the examples in the pages of the bridges: `python -m tests.support.snippets`."""

import re
from pathlib import Path
from textwrap import dedent

from tests.support.checkout import ROOT

PAGES = [*sorted((ROOT / "docs" / "bridges").glob("*.md")), ROOT / "bridges" / "README.md"]
INCLUDED = re.compile(r"(<!-- (examples/[\w/]+\.py): ([\w-]+) -->\n```python\n)(.*?)(```\n)", re.DOTALL)
REGION = re.compile(r"^ *# @@@SNIPSTART ([\w-]+)\n(.*?)^ *# @@@SNIPEND$", re.DOTALL | re.MULTILINE)


def regions() -> dict[tuple[str, str], str]:
    """The text of each region, by its file and its name."""
    files = sorted((ROOT / "examples").rglob("*.py"))
    return {
        (str(file.relative_to(ROOT)), name): f"{dedent(text).strip()}\n"
        for file in files
        for name, text in REGION.findall(file.read_text())
    }


def included_in(text: str) -> dict[tuple[str, str], str]:
    return {(file, name): code for _, file, name, code, _ in INCLUDED.findall(text)}


def with_regions(page: Path) -> str:
    """Raises KeyError: the page includes a region that does not exist."""
    known = regions()
    return INCLUDED.sub(lambda found: found[1] + known[found[2], found[3]] + found[5], page.read_text())


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(with_regions(each))
