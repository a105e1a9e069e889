"""Every guarantee on the pages of the bridges names the tests that show it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRIDGES = ("celery_into_workflow", "kafka_into_workflow", "workflow_into_celery", "workflow_into_kafka")
PAGES = [ROOT / "docs" / "bridges" / f"{bridge}.md" for bridge in BRIDGES]
NAME = re.compile(r"`(test_\w+)`")


def every_test() -> set[str]:
    sources = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_guarantee_names_tests_that_exist(page: Path) -> None:
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ") and "|---" not in line]
    unbacked = [row for row in rows if not NAME.search(row) and "| test |" not in row]
    assert unbacked == []
    assert set(NAME.findall(page.read_text())) - every_test() == set()
