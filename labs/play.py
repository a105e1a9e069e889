"""Plays a lab on the engines: patches a private copy, runs its stack, follows the script, and audits the books."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx2 as httpx

from comparison.child_processes import child_stack, settings_in
from comparison.scenarios import SCENARIOS, WAITING_SCENARIOS, Scenario
from comparison.stack import SAGA_PROCESSES
from domain.order import SagaStyle
from labs.catalogue import Lab, Play
from labs.patch import apply
from labs.private_copy import PrivateCopy, private_copy
from labs.script import Line, read_line
from labs.stage import PlayedOrder, Stage, wait_until
from messaging.errors import Fault
from runtime.errors import CannotRun
from runtime.wiring import Databases
from services.audit.invariants import Verdict

TEST_DEADLINE_S = 300.0
START_DEADLINE_S = 180.0
UNTRACED = {"OTEL_SDK_DISABLED": "true"}
AUDIT_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """`as_expected`: broken, the audit found what the lab says; mended, it found nothing."""

    orders: Sequence[PlayedOrder]
    verdict: Verdict
    as_expected: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedTest:
    """`lines`: the assertion that failed, as pytest prints it; of a test that passed, its summary."""

    lines: Sequence[str]
    as_expected: bool
    seconds: float


def play_on_engines(lab: Lab, play: Play, *, mended: bool) -> Played:
    """Raises CannotRun: the copy, its stack or the script failed."""
    began = monotonic()
    with private_copy() as copy:
        apply(lab.fault, copy.root)
        if not mended:
            apply(lab.mutant, copy.root)
        try:
            with _running(copy) as stage:
                orders = _play(play, stage)
                verdict = _audited(play, stage, mended=mended)
                played = [stage.played(order_id, style) for style, order_id in orders]
        except (httpx.HTTPError, Fault) as failure:
            raise CannotRun(f"the stack of the private copy failed: {failure!r}") from failure
    return Played(
        orders=played,
        verdict=verdict,
        as_expected=_is_as_expected(verdict, play, mended=mended),
        seconds=monotonic() - began,
    )


def play_test(lab: Lab, *, mended: bool) -> PlayedTest:
    """Run the lab's tests in a copy. Raises CannotRun: they could not run."""
    began = monotonic()
    with private_copy() as copy:
        if not mended:
            apply(lab.mutant, copy.root)
        try:
            run = copy.pytest(lab.tests, deadline_s=TEST_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise CannotRun(f"the tests of lab {lab.number} took over {TEST_DEADLINE_S:.0f} s") from None
    if run.returncode not in {0, 1}:
        raise CannotRun(f"the tests of lab {lab.number} did not run:\n{run.stdout[-3000:]}")
    lines = [line for line in run.stdout.splitlines() if line.startswith(("E  ", ">", "FAILED", "1 ", "2 "))]
    return PlayedTest(
        lines=lines or run.stdout.splitlines()[-1:],
        as_expected=(run.returncode == 0) is mended,
        seconds=monotonic() - began,
    )


@contextmanager
def _running(copy: PrivateCopy) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="twinsaga-lab-data-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        settings = settings_in(folder, witness_enabled=False, start_deadline_seconds=START_DEADLINE_S)
        with (
            child_stack(settings, folder, SAGA_PROCESSES, UNTRACED | copy.variables) as ready,
            closing(Databases.open(settings)) as databases,
            closing(Stage(ready, settings, databases)) as stage,
        ):
            yield stage


def _play(play: Play, stage: Stage) -> Sequence[tuple[SagaStyle, str]]:
    """Play the orders of the lab's style, then those of the other one, which the fault does not meet any more."""
    found: list[tuple[SagaStyle, str]] = []
    scenario = _scenario(play)
    styles = sorted(SagaStyle, key=lambda each: each is not play.style)
    for style in styles if play.both else styles[:1]:
        run = uuid4().hex[:6]
        stage.stock(scenario, run)
        order_ids = [stage.place(scenario.order(run), style) for _ in range(play.orders)]
        if style is play.style or scenario.pix:  # a pix order waits for what the script says
            for line in map(read_line, play.script):
                _follow(line, stage, order_ids)
        stage.wait_until_at_rest(style, order_ids)
        stage.go_on()
        found += [(style, order_id) for order_id in order_ids]
    return found


def _follow(line: Line, stage: Stage, order_ids: Sequence[str]) -> None:
    if line.verb == "wait for the fault":
        stage.wait_for_fault()
    elif line.verb == "go on":
        stage.go_on()
    for order_id in order_ids:
        match line.verb:
            case "wait for":
                stage.wait_for_event(line.event, order_id)
            case "wait for the end":
                stage.wait_for_end(order_id)
            case "cancel":
                stage.cancel(order_id)
            case "pay":
                stage.pay(order_id)
            case "late":
                stage.record_late(line.event, order_id)
            case "handles":
                stage.wait_until_handled(line.service, line.event, order_id)


def _audited(play: Play, stage: Stage, *, mended: bool) -> Verdict:
    """Audit until the books are as expected, since the last effects may follow an order's end, but not for long."""
    verdict = stage.audit()

    def as_expected() -> bool:
        nonlocal verdict
        verdict = stage.audit()
        return _is_as_expected(verdict, play, mended=mended)

    try:
        wait_until(as_expected, "the books are as expected", AUDIT_DEADLINE_S)
    except CannotRun:
        return verdict
    return verdict


def _is_as_expected(verdict: Verdict, play: Play, *, mended: bool) -> bool:
    return verdict.ok if mended else any(violation.invariant in play.finds for violation in verdict.broken)


def _scenario(play: Play) -> Scenario:
    scenario = {**SCENARIOS, **WAITING_SCENARIOS}[play.scenario]
    return scenario if play.stock is None else replace(scenario, stock=(play.stock,) * len(scenario.stock))
