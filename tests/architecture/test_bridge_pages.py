"""Every guarantee on the pages of the bridges names the tests that show it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRIDGES = ("celery_into_workflow", "kafka_into_workflow", "workflow_into_celery", "workflow_into_kafka")
PAGES = [ROOT / "docs" / "bridges" / f"{page}.md" for page in (*BRIDGES, "testing")]
GUIDE = ROOT / "docs" / "bridges" / "migrating.md"
HEADING = re.compile(r"\| tests? \|$")
NAME = re.compile(r"`(test_\w+)`")
UNCHANGED = re.compile(r"\| stays?[,;][^|]+\|$")


def every_test() -> set[str]:
    sources = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_guarantee_names_tests_that_exist(page: Path) -> None:
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ") and "|---" not in line]
    unbacked = [row for row in rows if not NAME.search(row) and not HEADING.search(row)]
    assert unbacked == []
    assert set(NAME.findall(page.read_text())) - every_test() == set()


def test_the_guide_names_tests_that_exist() -> None:
    named = set(NAME.findall(GUIDE.read_text()))
    assert len(named) > 20
    assert named - every_test() == set()


def test_each_concept_in_the_guide_names_a_test_or_stays_as_it_is() -> None:
    section = GUIDE.read_text().partition("## What each concept of Celery becomes\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]

    assert len(rows) > 20
    assert [row for row in rows if not NAME.search(row) and not UNCHANGED.search(row)] == []
