"""A run of `twinsaga bench`: start the stacks, play the benchmarks, collect the results, stop the stacks."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from rich.console import Console

from bench import benchmarks
from bench.breakdown import Breakdown
from bench.memory import measure_memory
from bench.metrics import FIGURES, PRELOADED, TRACED, BenchmarkId
from bench.paired_runs import Measured
from bench.report import BenchRun
from bench.scores import Scores, check_invariants
from bench.sizes import Sizes
from bench.target import BenchTarget, RunningStack, running_stack, target_on
from comparison.machine import caveats, load, machine
from comparison.span_receiver import span_receiver
from comparison.stack import SAGA_PROCESSES
from runtime.console import progress_bar

EVEN = 0.5

Opener = Callable[[BenchTarget, Sizes, Breakdown], AbstractAsyncContextManager[benchmarks.Benchmarks]]
OPENERS: Mapping[tuple[BenchmarkId, ...], Opener] = {
    (BenchmarkId.ORCHESTRATED_ONE_BY_ONE, BenchmarkId.ORCHESTRATED_CONCURRENT): benchmarks.orchestrated,
    (BenchmarkId.CHOREOGRAPHED_ONE_BY_ONE, BenchmarkId.CHOREOGRAPHED_CONCURRENT): benchmarks.choreographed,
    (BenchmarkId.CELERY,): benchmarks.celery,
    (BenchmarkId.STARTS,): benchmarks.starts,
}
"""Starts the baseline of these benchmarks. The starts come last: they leave thousands of open workflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The benchmarks to run.

    Attributes:
        figures: names of FIGURES.
        sizes: how much of it.
        seed: the same seed gives the same order of play.
        one_stack: play everything on one stack. That is quicker and means less: memory is that of fewer processes, the
            same databases hold few and many orders, and no traces are on.
        given_engines: use the engines of the settings. Then no figure of TWO_STACKS can be measured, since two
            stacks cannot share engines.
    """

    figures: Sequence[str]
    sizes: Sizes
    seed: int
    one_stack: bool = False
    given_engines: bool = False

    @property
    def benchmarks(self) -> list[BenchmarkId]:
        """The benchmarks that these figures need, in the order of play."""
        needed = {FIGURES[name].benchmark for name in self.figures}
        return [benchmark for benchmark in BenchmarkId if benchmark in needed]


def run_benchmarks(plan: Plan, console: Console) -> BenchRun:
    """Play the plan on new stacks. Raises CannotRun: one did not come up, or the settings name databases elsewhere."""
    began, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinsaga-bench-") as name:
        folder = Path(name)
        described, doubts = machine(folder) | {"load before": load()}, caveats()
        with progress_bar(console) as progress:
            scores = Scores(plan.benchmarks, plan.sizes, progress)
            _play(plan, folder, scores, Random(plan.seed))  # noqa: S311 - not used for secrets
            scores.begin("done")
    return BenchRun(
        seed=plan.seed,
        began=began,
        seconds=time.monotonic() - clock,
        machine=described | {"load after": load()},
        sizes=asdict(plan.sizes),
        measured=[
            Measured(figure=figure, pairs=scores.pairs[name])
            for name, figure in FIGURES.items()
            if name in plan.figures and name in scores.pairs
        ],
        problems=scores.problems,
        details={"seconds": scores.breakdown.medians(), "memory_bytes": scores.memory, "run_seconds": scores.took},
        caveats=doubts,
    )


def _play(plan: Plan, folder: Path, scores: Scores, rng: Random) -> None:
    if plan.one_stack or any(benchmark is not BenchmarkId.MEMORY for benchmark in plan.benchmarks):
        scores.begin("starting a stack")
        with running_stack(folder / "few", SAGA_PROCESSES, given_engines=plan.given_engines) as few:
            if plan.one_stack:
                asyncio.run(_play_memory(few, plan, scores))
            if any(benchmark in PRELOADED for benchmark in plan.benchmarks):
                if not plan.one_stack:
                    scores.begin("starting a second stack")
                with nullcontext(few) if plan.one_stack else running_stack(folder / "many", SAGA_PROCESSES) as many:
                    asyncio.run(_play_preloaded(few, many, plan, scores, rng))
            if any(benchmark in TRACED for benchmark in plan.benchmarks):
                with nullcontext(few) if plan.one_stack else _traced_stack(folder, scores) as traced:
                    asyncio.run(_play_traced(few, traced, plan, scores, rng))
            # By now the second stack has ended: it would take processor time from both sides.
            asyncio.run(_play_against_baselines(few, plan, scores, rng))
    if BenchmarkId.MEMORY in plan.benchmarks and not plan.one_stack:
        # Memory is that of every process of the product, so it needs a stack of all of them.
        scores.begin("starting everything")
        with running_stack(folder / "whole", given_engines=plan.given_engines) as whole:
            asyncio.run(_play_memory(whole, plan, scores))


async def _play_preloaded(few: RunningStack, many: RunningStack, plan: Plan, scores: Scores, rng: Random) -> None:
    async with target_on(few) as with_few, target_on(many) as with_many:
        with scores.recording_problems("filling the databases"):
            async with benchmarks.preloaded(with_few, with_many, plan.sizes, rng, scores.breakdown) as opened:
                await _play_opened(opened, plan, scores, rng)
        await check_invariants(with_many, scores)


@contextmanager
def _traced_stack(folder: Path, scores: Scores) -> Iterator[RunningStack]:
    scores.begin("starting a traced stack")
    with (
        span_receiver(_discard) as variables,
        running_stack(folder / "traced", SAGA_PROCESSES, variables=variables) as stack,
    ):
        yield stack


def _discard(body: bytes) -> None:
    """The spans only need somewhere to go."""


async def _play_traced(few: RunningStack, traced: RunningStack, plan: Plan, scores: Scores, rng: Random) -> None:
    async with target_on(few) as without_traces, target_on(traced) as with_traces:
        async with benchmarks.traced(without_traces, with_traces, plan.sizes, scores.breakdown) as opened:
            await _play_opened(opened, plan, scores, rng)
        await check_invariants(with_traces, scores)


async def _play_against_baselines(stack: RunningStack, plan: Plan, scores: Scores, rng: Random) -> None:
    async with target_on(stack) as target:
        for ids, opener in OPENERS.items():
            if any(benchmark in ids for benchmark in plan.benchmarks):
                with scores.recording_problems("starting the baselines"):
                    async with opener(target, plan.sizes, scores.breakdown) as opened:
                        await _play_opened(opened, plan, scores, rng)
        await check_invariants(target, scores)


async def _play_opened(opened: benchmarks.Benchmarks, plan: Plan, scores: Scores, rng: Random) -> None:
    for benchmark_id in plan.benchmarks:
        if benchmark_id in opened:
            await scores.play(benchmark_id, opened[benchmark_id], ours_first=rng.random() < EVEN)


async def _play_memory(stack: RunningStack, plan: Plan, scores: Scores) -> None:
    if BenchmarkId.MEMORY not in plan.benchmarks:
        return
    async with target_on(stack) as target:
        with scores.recording_problems(BenchmarkId.MEMORY):
            measured = await measure_memory(target, plan.sizes.memory_orders, scores.block_played)
            scores.memory = asdict(measured)
            scores.pairs |= measured.pairs()
        await check_invariants(target, scores)
