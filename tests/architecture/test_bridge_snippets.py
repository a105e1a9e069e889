"""The first lines of code on each page of the bridges are those of `examples/invoices`, which a test runs."""

from pathlib import Path

import pytest

from tests.architecture.test_bridge_pages import BRIDGES, ROOT
from tests.support.snippets import PAGES, included_in, regions, with_regions


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_includes_is_what_the_example_runs(page: Path) -> None:
    assert page.read_text() == with_regions(page), "run `make docs`"


@pytest.mark.parametrize("bridge", BRIDGES)
def test_all_code_under_ten_lines_is_included(bridge: str) -> None:
    page = (ROOT / "docs" / "bridges" / f"{bridge}.md").read_text()
    section = page.partition("## Ten lines\n")[2].partition("\n## ")[0]

    assert section.count("```python") == len(included_in(section)) > 0


def test_every_region_of_the_example_is_on_a_page() -> None:
    included = {place for page in PAGES for place in included_in(page.read_text())}

    assert regions().keys() == included
