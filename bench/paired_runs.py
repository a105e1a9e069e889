"""Plays ours and the reference in turns, never both at once: A B B A A B B A, so that a drift meets both alike."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.samples import Pair

Values = Mapping[str, float]
"""What one block came to, by the name of the figure."""


class Side(Protocol):
    async def warm_up(self) -> None:
        """Do what is measured a few times, unmeasured."""
        ...

    async def play(self) -> Values:
        """Play one block."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """`rest_s` is waited before each block, so that what the one before it has left takes nothing from it."""

    ours: Side
    reference: Side
    rest_s: float = 0.0


def turns(pairs: int, *, ours_first: bool) -> list[tuple[bool, bool]]:
    """For each pair the two turns, True for ours: who was second in a pair is first in the next one."""
    return [(first, not first) for first in (ours_first == (number % 2 == 0) for number in range(pairs))]


async def play(
    contest: Benchmark, pairs: int, *, ours_first: bool, played: Callable[[], None]
) -> dict[str, list[Pair]]:
    """Play so many pairs. `played` is called after each block."""
    for side in (contest.ours, contest.reference):
        await side.warm_up()
    found: dict[str, list[Pair]] = {}
    for turn in turns(pairs, ours_first=ours_first):
        values: dict[bool, Values] = {}
        for ours in turn:
            await asyncio.sleep(contest.rest_s)
            values[ours] = await (contest.ours if ours else contest.reference).play()
            played()
        for name, value in values[True].items():
            found.setdefault(name, []).append(Pair(ours=value, reference=values[False][name]))
    return found
