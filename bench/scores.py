"""The state of a run: the pairs so far, the problems, the progress bar."""

import sqlite3
import time
from asyncio import sleep, to_thread
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx2 as httpx
from kafka.errors import KafkaError
from redis.exceptions import RedisError
from rich.progress import Progress
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from bench.breakdown import Breakdown
from bench.closed_loop import BenchmarkFailed
from bench.memory import PARTS
from bench.metrics import BenchmarkId
from bench.paired_runs import Benchmark, Pair, play
from bench.sizes import Sizes
from bench.target import BenchTarget
from runtime.errors import first_of
from runtime.wiring import audit_of

FAILURES = (BenchmarkFailed, httpx.HTTPError, RPCError, WorkflowFailureError, KafkaError, RedisError, sqlite3.Error)
AUDITS = 20
AUDIT_PAUSE_S = 0.5
SHOWN_VIOLATIONS = 20


class Scores:
    """Collects the results: `pairs` by the name of the figure, `took` in seconds by activity."""

    def __init__(self, benchmarks: Sequence[BenchmarkId], sizes: Sizes, progress: Progress) -> None:
        self._sizes = sizes
        self._progress = progress
        total = sum(PARTS if benchmark is BenchmarkId.MEMORY else 2 * sizes.pairs for benchmark in benchmarks)
        self._bar = self._progress.add_task("starting", total=total)
        self.pairs: dict[str, Sequence[Pair]] = {}
        self.problems: list[str] = []
        self.breakdown = Breakdown()
        self.memory: Mapping[str, Mapping[str, int]] = {}
        self.took: dict[str, float] = {}
        self._activity, self._since = "starting", time.monotonic()

    def begin(self, activity: str) -> None:
        """End the last activity and show the name of this one."""
        self._progress.update(self._bar, description=activity)
        now = time.monotonic()
        self.took[self._activity] = self.took.get(self._activity, 0.0) + now - self._since
        self._activity, self._since = activity, now

    def block_played(self) -> None:
        self._progress.advance(self._bar)

    async def play(self, benchmark_id: BenchmarkId, benchmark: Benchmark, *, ours_first: bool) -> None:
        """Add the pairs of the benchmark, or the problem that it meets."""
        with self.recording_problems(benchmark_id):
            self.pairs |= await play(benchmark, self._sizes.pairs, ours_first=ours_first, on_played=self.block_played)

    @contextmanager
    def recording_problems(self, activity: str) -> Iterator[None]:
        """Record a failure of the block as a problem of the run, which then continues behind the block."""
        self.begin(activity)
        try:
            yield
        # Anything else is a bug or a stack that is gone, and ends the run.
        except* FAILURES as failures:
            self.problems.append(f"{activity}: {first_of(failures)}")


async def check_invariants(target: BenchTarget, scores: Scores) -> None:
    """Audit the stack once it is idle, and record each violation as a problem of the run."""
    with scores.recording_problems("audit"):
        await target.wait_until_idle()
        verdict = await to_thread(audit_of, target.databases)
        for _ in range(AUDITS):
            if verdict.ok:
                return
            # An effect that follows an order's end may still be on its way.
            await sleep(AUDIT_PAUSE_S)
            verdict = await to_thread(audit_of, target.databases)
        scores.problems.extend(
            f"audit: {broken.order_id or 'all orders'}: {broken.invariant}: {broken.detail}"
            for broken in verdict.broken[:SHOWN_VIOLATIONS]
        )
