"""The labs of the checkout are complete, and each of their patches applies to the code as it is."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import commands
from comparison.scenarios import SCENARIOS, WAITING_SCENARIOS
from labs.catalogue import LESSONS, ROOT, Lab, load_labs
from labs.mutants import chosen
from labs.patch import DoesNotApply, apply, file_of, hunks_of
from labs.script import NotALine, read_line
from labs.syllabus import PAGE, syllabus
from runtime.errors import CannotRun
from tests.architecture.test_bridge_pages import every_test

LABS = load_labs()
each_lab = pytest.mark.parametrize("lab", LABS, ids=[lab.name for lab in LABS])

DIFF = """--- a/greeting.py
+++ b/greeting.py
@@ -2,2 +2,2 @@
 def greet() -> str:
-    return "hello"
+    return "bye"
"""
GREETING = 'NAME = "x"\ndef greet() -> str:\n    return "hello"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "greeting.py").write_text(GREETING)
    return tmp_path


def copied(lab: Lab, folder: Path) -> Path:
    """Copy the files that the lab changes."""
    for hunk in (*hunks_of(lab.fault), *hunks_of(lab.mutant)):
        file = file_of(hunk, ROOT)
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return folder


def test_the_labs_are_numbered_without_a_gap() -> None:
    assert [lab.number for lab in LABS] == list(range(1, len(LABS) + 1))
    assert len(LABS) >= 20


@each_lab
def test_its_patches_apply_together_and_what_they_make_compiles(lab: Lab, tmp_path: Path) -> None:
    folder = copied(lab, tmp_path)

    changed = apply(lab.fault, folder) | apply(lab.mutant, folder)

    for file in changed:
        compile(file.read_text(), str(file), "exec")
    mutated = {file_of(hunk, ROOT).relative_to(ROOT) for hunk in hunks_of(lab.mutant)}
    assert all((folder / file).read_text() != (ROOT / file).read_text() for file in mutated)


@each_lab
def test_its_tests_exist_and_its_play_can_be_read(lab: Lab) -> None:
    assert {test.rpartition("::")[2] for test in lab.tests} <= every_test()
    assert all((ROOT / test.partition("::")[0]).is_file() for test in lab.tests)
    if lab.play is not None:
        assert lab.play.scenario in {**SCENARIOS, **WAITING_SCENARIOS}
        invariants = (ROOT / "services" / "audit" / "invariants.py").read_text()
        assert all(f'"{invariant}"' in invariants for invariant in lab.play.finds)
        for line in lab.play.script:
            read_line(line)


@each_lab
def test_its_text_fits_a_screen(lab: Lab) -> None:
    assert len(lab.promise.strip().splitlines()) <= 10
    assert max(map(len, (*lab.promise.splitlines(), *lab.answer.splitlines()))) <= 130


def test_a_patch_applies_by_its_text_and_can_be_taken_back(checkout: Path) -> None:
    before = apply(DIFF, checkout)

    assert 'return "bye"' in (checkout / "greeting.py").read_text()
    assert before == {checkout / "greeting.py": GREETING}


def test_a_file_that_has_moved_is_found_by_its_name(checkout: Path) -> None:
    (checkout / "kit").mkdir()
    (checkout / "greeting.py").rename(checkout / "kit" / "greeting.py")

    assert list(apply(DIFF, checkout)) == [checkout / "kit" / "greeting.py"]


@pytest.mark.parametrize("text", ["", GREETING + GREETING], ids=["gone", "twice"])
def test_old_lines_that_are_gone_or_there_twice_are_refused_and_nothing_changes(checkout: Path, text: str) -> None:
    (checkout / "greeting.py").write_text(text)

    with pytest.raises(DoesNotApply):
        apply(DIFF, checkout)

    assert (checkout / "greeting.py").read_text() == text


def test_a_third_of_the_labs_by_turns_is_all_of_them() -> None:
    thirds = [chosen(LABS, [], third) for third in range(3)]

    assert sorted(lab.number for third in thirds for lab in third) == [lab.number for lab in LABS]
    assert chosen(LABS, [3], None) == [LABS[2]]
    with pytest.raises(CannotRun):
        chosen(LABS, [99], None)


def test_a_script_line_that_no_lab_understands_is_refused() -> None:
    for line in ("", "dance", "some-service handles order.created", "shipping-service handles "):
        with pytest.raises(NotALine):
            read_line(line)


def test_the_syllabus_is_up_to_date() -> None:
    assert PAGE.read_text() == syllabus(LABS), "run `make docs`"


def test_the_command_lists_every_lab_and_refuses_an_unknown_one() -> None:
    listed = CliRunner().invoke(commands, ["lab"])
    assert listed.exit_code == 0
    assert all(str(lab.number) in listed.stdout for lab in LABS)

    unknown = CliRunner().invoke(commands, ["lab", "99"])
    assert unknown.exit_code == 2


def test_without_a_checkout_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("labs.catalogue.ROOT", tmp_path)

    with pytest.raises(CannotRun, match="checkout"):
        load_labs(LESSONS)
