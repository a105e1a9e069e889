"""Plays our side of a benchmark and its baseline in turns, never at the same time.

The order is A B B A A B B A, so that a drift of the machine affects both sides alike.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from bench.metrics import Figure

Values = Mapping[str, float]
"""The results of one block, by the name of the figure."""


class Side(Protocol):
    async def warm_up(self) -> None:
        """Do a few times, unmeasured, what `play` measures."""
        ...

    async def play(self) -> Values:
        """Play one block."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """`rest_s` is the pause before each block, in which the after-effects of the previous one end."""

    ours: Side
    baseline: Side
    rest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A block of ours and the baseline's block next to it, in the figure's unit."""

    ours: float
    baseline: float

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure with its pairs, of which there is at least one."""

    figure: Figure
    pairs: Sequence[Pair]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios, which differs from the ratio of the medians."""
        return median(pair.ratio for pair in self.pairs)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a pair."""
        ratios = [pair.ratio for pair in self.pairs]
        return min(ratios), max(ratios)

    @property
    def ours(self) -> float:
        return median(pair.ours for pair in self.pairs)

    @property
    def baseline(self) -> float:
        return median(pair.baseline for pair in self.pairs)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None if the figure has no goal."""
        return None if self.figure.goal is None else self.figure.goal.reached_by(self.ratio)


def turns(pairs: int, *, ours_first: bool) -> list[tuple[bool, bool]]:
    """Return the two turns of each pair, True for ours. The side that is second in a pair is first in the next."""
    return [(first, not first) for first in (ours_first == (number % 2 == 0) for number in range(pairs))]


async def play(
    benchmark: Benchmark, pairs: int, *, ours_first: bool, on_played: Callable[[], None]
) -> dict[str, list[Pair]]:
    """Return the pairs by the name of the figure. `on_played` is called after each block."""
    for side in (benchmark.ours, benchmark.baseline):
        await side.warm_up()
    # The ratio is taken within a pair: its two blocks ran next to each other, under the same load of the machine.
    found: dict[str, list[Pair]] = {}
    for turn in turns(pairs, ours_first=ours_first):
        values: dict[bool, Values] = {}
        for ours in turn:
            await asyncio.sleep(benchmark.rest_s)
            values[ours] = await (benchmark.ours if ours else benchmark.baseline).play()
            on_played()
        for name, value in values[True].items():
            found.setdefault(name, []).append(Pair(ours=value, baseline=values[False][name]))
    return found
