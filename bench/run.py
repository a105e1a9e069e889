"""`twinsaga bench`: the stacks, what is played on them, and what comes of it."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from rich.console import Console

from bench import benchmarks as contests
from bench.breakdown import Notes
from bench.memory import remember
from bench.metrics import FIGURES, HELD, Match, matches_for
from bench.report import BenchRun
from bench.samples import Measured, Pair
from bench.scores import Scores, audited
from bench.sizes import Sizes
from bench.stacks import PLAYERS, RunningStack, stack
from bench.target import BenchTarget, stand_on
from comparison.machine import caveats, load, machine

EVEN = 0.5

Beside = Callable[[BenchTarget, Sizes, Notes], AbstractAsyncContextManager[contests.Contests]]
REFERENCES: Mapping[tuple[Match, ...], Beside] = {
    (Match.ORCHESTRATED_ALONE, Match.ORCHESTRATED_TOGETHER): contests.orchestrated,
    (Match.CHOREOGRAPHED_ALONE, Match.CHOREOGRAPHED_TOGETHER): contests.choreographed,
    (Match.CELERY,): contests.celery,
    (Match.STARTS,): contests.starts,
}
"""The starts come last, since they leave thousands of workflows open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`figures` are names of FIGURES.

    `one_stack`: everything is played on the same stack, which is quicker and says less: memory is that of fewer
    processes, and few and many orders are held by the same databases. `given_engines` as `stack` takes it: then no
    figure of HELD, since two stacks cannot share engines.
    """

    figures: Sequence[str]
    sizes: Sizes
    seed: int
    one_stack: bool = False
    given_engines: bool = False

    @property
    def matches(self) -> list[Match]:
        return matches_for(self.figures)


def bench(plan: Plan, console: Console) -> BenchRun:
    """Start the stacks, play everything, stop them.

    Raises:
        CannotRun: a stack or a reference did not come up, or the settings name databases elsewhere.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinsaga-bench-") as name:
        folder = Path(name)
        described, doubts = machine(folder) | {"load before": load()}, caveats()
        with Scores(plan.matches, plan.sizes, console) as scores:
            _play(plan, folder, scores, Random(plan.seed))  # noqa: S311 - nothing secret hangs on it
    return BenchRun(
        seed=plan.seed,
        began=began,
        seconds=time.monotonic() - clock,
        machine=described | {"load after": load()},
        sizes=plan.sizes.as_mapping(),
        measured=[
            Measured(figure=figure, pairs=scores.pairs[name])
            for name, figure in FIGURES.items()
            if name in plan.figures and name in scores.pairs
        ],
        problems=scores.problems,
        details={"seconds": scores.notes.medians(), "memory_bytes": scores.memory, "run_seconds": scores.took},
        caveats=doubts,
    )


def _play(plan: Plan, folder: Path, scores: Scores, dice: Random) -> None:
    if plan.one_stack or any(match is not Match.MEMORY for match in plan.matches):
        with ExitStack() as stacks:
            scores.begin("starting a stack")
            few = stacks.enter_context(stack(folder / "few", PLAYERS, given_engines=plan.given_engines))
            if plan.one_stack:
                asyncio.run(_memory(few, plan, scores))
            if any(match in HELD for match in plan.matches):
                with _second_stack(folder, few, plan, scores) as many:
                    asyncio.run(_held(few, many, plan, scores, dice))
            asyncio.run(_beside_references(few, plan, scores, dice))
    if Match.MEMORY in plan.matches and not plan.one_stack:
        scores.begin("starting everything")
        with stack(folder / "whole", given_engines=plan.given_engines) as whole:
            asyncio.run(_memory(whole, plan, scores))


@contextmanager
def _second_stack(folder: Path, first: RunningStack, plan: Plan, scores: Scores) -> Iterator[RunningStack]:
    if plan.one_stack:
        yield first
        return
    scores.begin("starting a second stack")
    with stack(folder / "many", PLAYERS) as second:
        yield second


async def _held(few: RunningStack, many: RunningStack, plan: Plan, scores: Scores, dice: Random) -> None:
    async with stand_on(few) as with_few, stand_on(many) as with_many:
        with scores.noting_problems("filling the databases"):
            async with contests.few_and_many_held(with_few, with_many, plan.sizes, dice, scores.notes) as held:
                await _contested(held, plan, scores, dice)
        await audited(with_many, scores)


async def _beside_references(stack: RunningStack, plan: Plan, scores: Scores, dice: Random) -> None:
    async with stand_on(stack) as stand:
        for matches, beside in REFERENCES.items():
            if any(match in matches for match in plan.matches):
                with scores.noting_problems("starting the references"):
                    async with beside(stand, plan.sizes, scores.notes) as contested:
                        await _contested(contested, plan, scores, dice)
        await audited(stand, scores)


async def _contested(contested: contests.Contests, plan: Plan, scores: Scores, dice: Random) -> None:
    for match in plan.matches:
        if match in contested:
            await scores.play(match, contested[match], ours_first=dice.random() < EVEN)


async def _memory(stack: RunningStack, plan: Plan, scores: Scores) -> None:
    if Match.MEMORY not in plan.matches:
        return
    async with stand_on(stack) as stand:

        async def played() -> Mapping[str, Sequence[Pair]]:
            remembered = await remember(stand, plan.sizes.memory_orders, scores.block_played)
            scores.memory = asdict(remembered)
            return remembered.pairs()

        await scores.score(Match.MEMORY, played)
        await audited(stand, scores)
