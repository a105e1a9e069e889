"""`make mutants`: applies each lab's patch to a private copy, and demands that its tests catch it.

    python -m labs.mutants [--lab N]... [--third 0|1|2]

Exit code 1: a mutant survives, a patch does not apply, or the tests fail without any patch.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from rich.console import Console
from rich.table import Table

from labs.catalogue import Lab, load_labs
from labs.patch import DoesNotApply, apply
from labs.private_copy import PrivateCopy, private_copy
from runtime.errors import CannotRun
from runtime.stopping import ended_as_by_ctrl_c

MUTANT_DEADLINE_S = 300.0
CLEAN_DEADLINE_S = 900.0
PASSED, FAILED = 0, 1
"""Exit codes of pytest. Any other one says that the tests did not run, which catches nothing."""

Result = Literal["caught", "SURVIVED", "does not apply", "no verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    lab: Lab
    result: Result
    caught_by: Sequence[str]
    seconds: float
    output: str = ""


def chosen(labs: Sequence[Lab], numbers: Sequence[int], third: int | None) -> Sequence[Lab]:
    """Raises CannotRun: there is no lab with one of the numbers."""
    if missing := set(numbers) - {lab.number for lab in labs}:
        raise CannotRun(f"there is no lab {min(missing)}; there are 1 to {max(lab.number for lab in labs)}")
    return [
        lab for lab in labs if (not numbers or lab.number in numbers) and (third is None or lab.number % 3 == third)
    ]


def judge(lab: Lab, copy: PrivateCopy) -> Verdict:
    """Apply the lab's mutant, run its tests, and take it back."""
    began = monotonic()
    try:
        before = apply(lab.mutant, copy.root)
    except DoesNotApply as why:
        return Verdict(lab=lab, result="does not apply", caught_by=(), seconds=0.0, output=str(why))
    try:
        run = copy.pytest(lab.tests, deadline_s=MUTANT_DEADLINE_S)
    except subprocess.TimeoutExpired:
        return Verdict(lab=lab, result="no verdict", caught_by=(), seconds=monotonic() - began, output="timed out")
    finally:
        for file, text in before.items():
            file.write_text(text)
    caught_by = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("FAILED ")]
    results: dict[int, Result] = {FAILED: "caught", PASSED: "SURVIVED"}
    result = results.get(run.returncode, "no verdict")
    return Verdict(lab=lab, result=result, caught_by=caught_by, seconds=monotonic() - began, output=run.stdout[-3000:])


def run_clean(labs: Sequence[Lab], copy: PrivateCopy) -> float:
    """Run the tests of all these labs without a patch. Raises CannotRun: one of them fails, so it can catch nothing."""
    began = monotonic()
    run = copy.pytest(sorted({test for lab in labs for test in lab.tests}), deadline_s=CLEAN_DEADLINE_S)
    if run.returncode != PASSED:
        raise CannotRun(f"the tests fail without any patch:\n{run.stdout[-6000:]}")
    return monotonic() - began


def show(verdicts: Sequence[Verdict], clean_s: float, console: Console) -> bool:
    """Return whether every mutant was caught."""
    table = Table(box=None, pad_edge=False)
    for title in ("lab", "mutant", "result", "caught by", "s"):
        table.add_column(title, justify="right" if title == "s" else "left")
    for verdict in verdicts:
        by = "\n".join(test.rpartition("/")[2] for test in verdict.caught_by[:3])
        number, seconds = str(verdict.lab.number), f"{verdict.seconds:.0f}"
        table.add_row(number, verdict.lab.name, verdict.result, by, seconds)
    console.print(table)
    missed = [verdict for verdict in verdicts if verdict.result != "caught"]
    for verdict in missed:
        console.print(f"\nlab {verdict.lab.number}, {verdict.result}:\n{verdict.output}", markup=False)
    total = clean_s + sum(verdict.seconds for verdict in verdicts)
    console.print(
        f"\n{len(verdicts) - len(missed)} of {len(verdicts)} mutants caught in {total:.0f}s,"
        f" {clean_s:.0f}s of it for the tests without a patch"
    )
    return not missed


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m labs.mutants", description=__doc__)
    parser.add_argument("--lab", type=int, action="append", default=[], help="only this lab; repeatable")
    parser.add_argument("--third", type=int, choices=(0, 1, 2), help="only the labs whose number leaves this rest by 3")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, width=180)
    try:
        with ended_as_by_ctrl_c(), private_copy() as copy:
            labs = chosen(load_labs(), options.lab, options.third)
            clean_s = run_clean(labs, copy)
            verdicts: list[Verdict] = []
            for lab in labs:
                verdicts.append(judge(lab, copy))
                sys.stderr.write(f"lab {lab.number}: {verdicts[-1].result}\n")
            return 0 if show(verdicts, clean_s, console) else 1
    except (CannotRun, subprocess.TimeoutExpired) as why:
        sys.stderr.write(f"mutants: {why}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
