"""What has come out so far, what did not work, and how far the run is."""

import sqlite3
import time
from asyncio import sleep, to_thread
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx2 as httpx
from kafka.errors import KafkaError
from redis.exceptions import RedisError
from rich.console import Console
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from bench.breakdown import Notes
from bench.closed_loop import BenchmarkFailed
from bench.memory import PARTS
from bench.metrics import Match
from bench.paired_runs import Benchmark, play
from bench.samples import Pair
from bench.sizes import Sizes
from bench.target import BenchTarget
from runtime.console import progress_bar
from runtime.errors import first_of
from runtime.wiring import audit_of

FAILURES = (BenchmarkFailed, httpx.HTTPError, RPCError, WorkflowFailureError, KafkaError, RedisError, sqlite3.Error)


class Scores:
    """`pairs` by the name of the figure; `took` is seconds of this run by what it was doing."""

    def __init__(self, matches: Sequence[Match], sizes: Sizes, console: Console) -> None:
        self._sizes = sizes
        self._progress = progress_bar(console)
        total = sum(PARTS if match is Match.MEMORY else 2 * sizes.pairs for match in matches)
        self._bar = self._progress.add_task("starting", total=total)
        self.pairs: dict[str, Sequence[Pair]] = {}
        self.problems: list[str] = []
        self.notes = Notes()
        self.memory: Mapping[str, Mapping[str, int]] = {}
        self.took: dict[str, float] = {}
        self._what, self._since = "starting", time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.begin("broken off" if kind else "done")
        self._progress.stop()

    def begin(self, what: str) -> None:
        self._progress.update(self._bar, description=what)
        now = time.monotonic()
        self.took[self._what] = self.took.get(self._what, 0.0) + now - self._since
        self._what, self._since = what, now

    def block_played(self) -> None:
        self._progress.advance(self._bar)

    async def play(self, match: Match, contest: Benchmark, *, ours_first: bool) -> None:
        async def played() -> Mapping[str, Sequence[Pair]]:
            return await play(contest, self._sizes.pairs, ours_first=ours_first, played=self.block_played)

        await self.score(match, played)

    async def score(self, match: Match, played: Callable[[], Awaitable[Mapping[str, Sequence[Pair]]]]) -> None:
        """Take in what the match came to."""
        with self.noting_problems(match):
            self.pairs |= await played()

    @contextmanager
    def noting_problems(self, what: str) -> Iterator[None]:
        """What does not work here is a problem of the run, which goes on with what comes next."""
        self.begin(what)
        try:
            yield
        except* FAILURES as failures:
            self.problems.append(f"{what}: {first_of(failures)}")


LOOKS = 20
LOOK_AGAIN_S = 0.5
SHOWN = 20


async def audited(stand: BenchTarget, scores: Scores) -> None:
    """Hold the stack to every invariant, once it is at rest. What is broken is a problem of the run."""
    with scores.noting_problems("audit"):
        await stand.at_rest()
        verdict = await to_thread(audit_of, stand.databases)
        for _ in range(LOOKS):
            if verdict.ok:
                return
            await sleep(LOOK_AGAIN_S)
            verdict = await to_thread(audit_of, stand.databases)
        scores.problems.extend(
            f"audit: {broken.order_id or 'all orders'}: {broken.invariant}: {broken.detail}"
            for broken in verdict.broken[:SHOWN]
        )
