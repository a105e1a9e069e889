"""Plays trials, one style after the other and never both at once, in the order A B B A."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from comparison.api_client import Shopping
from comparison.faults import Struck
from comparison.measures import Ending, Usage, used_between
from comparison.order_block import OrderBlock
from comparison.scenarios import SCENARIOS
from comparison.stack import Meter, Reading, StackControl
from comparison.trials import Kind, Trial
from domain.ids import OrderId
from domain.order import SagaStyle

BLOCKS_A_STYLE = 2
DEADLINE_S = 300.0
IDLE_S = 3.0
WARM_UP_ORDERS = 5
AT_REST_S = 15.0
"""So long may effects take that follow the end of an order: pieces that are counted as sold, events that go out."""
LOOK_AGAIN_S = 0.2
QUIET_LOOKS = 2

_PLAIN = Trial(name="plain", says="an order that is not measured", kind=Kind.BUSINESS, scenario=SCENARIOS["ok"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """`number` counts the blocks from the beginning of the run."""

    number: int
    trial: Trial
    style: SagaStyle
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    turn: Turn
    endings: Sequence[Ending]
    usage: Usage
    struck: Struck | None


def turns(trials: Sequence[Trial], orders: int, seed: int, *, brief: bool = False) -> list[Turn]:
    """Shuffle the trials, those that break something last, and let the dice say which style begins each.

    Args:
        trials: each gives two blocks of either style: A B B A, so that a drift of the machine meets both alike.
        orders: of each style in each trial, rounded up to fill both blocks; a trial with a number of its own has that.
        seed: the same seed gives the same order.
        brief: what breaks is played once in each style, since it takes its time: A B.
    """
    dice = Random(seed)  # noqa: S311 - nothing secret hangs on it
    shuffled = dice.sample(list(trials), len(trials))
    shuffled.sort(key=lambda trial: trial.kind is Kind.FAULT)
    planned: list[tuple[Trial, SagaStyle]] = []
    for trial in shuffled:
        first, second = dice.sample(list(SagaStyle), 2)
        once = brief and trial.kind is Kind.FAULT
        planned += [(trial, style) for style in ((first, second) if once else (first, second, second, first))]
    return [
        Turn(number=number, trial=trial, style=style, orders=trial.orders or -(-orders // BLOCKS_A_STYLE))
        for number, (trial, style) in enumerate(planned)
    ]


class Stuck(Exception):
    """Orders do not get through any more, so that nothing can be measured."""


class Player:
    def __init__(self, shopping: Shopping, machinery: StackControl, meter: Meter) -> None:
        self._shopping = shopping
        self._machinery = machinery
        self._meter = meter

    async def idle(self) -> Mapping[str, float]:
        """Warm everything up, then return the CPU seconds a second that each process uses with nothing to do."""
        for style in SagaStyle:
            await self._unmeasured(style, WARM_UP_ORDERS)
        before = await self._at_rest()
        await asyncio.sleep(IDLE_S)
        usage = used_between(before, await self._meter.read())
        return {name: used / usage.seconds for name, used in usage.cpu.items()}

    async def play(self, turn: Turn, *, run: str, deadline_s: float = DEADLINE_S) -> Block:
        """Play one block. An order that has not ended by the deadline is told as it stands then."""
        body = await self._shopping.stocked(turn.trial.scenario, f"{run}-{turn.number}")
        scene = OrderBlock(turn.trial, turn.style, turn.orders, body, self._shopping, self._machinery)
        before = await self._meter.read()
        struck = None
        try:
            async with asyncio.timeout(deadline_s):
                struck = await scene.play()
        except* TimeoutError:
            pass
        finally:
            await scene.leave()
            await self._machinery.all_back()
        after = await self._at_rest()
        endings = [await self._ending(order_id, scene) for order_id in scene.order_ids]
        if turn.trial.fault is not None:
            await self._calm()
        return Block(turn=turn, endings=endings, usage=used_between(before, after), struck=struck)

    async def play_all(self, planned: Sequence[Turn], *, run: str, played: Callable[[Turn], None]) -> list[Block]:
        """`played` is called after each block."""
        blocks = []
        for turn in planned:
            blocks.append(await self.play(turn, run=run))
            played(turn)
        return blocks

    async def audit(self) -> dict[str, Any]:
        """Return what `GET /audit` answers at rest."""
        for _ in range(int(AT_REST_S / LOOK_AGAIN_S)):
            verdict = await self._shopping.audit()
            if verdict["ok"]:
                return verdict
            await asyncio.sleep(LOOK_AGAIN_S)
        return await self._shopping.audit()

    async def _ending(self, order_id: str, scene: OrderBlock) -> Ending:
        history_events = await self._meter.history_events(OrderId(order_id))
        actions = scene.actions.get(order_id, 0)
        return await self._shopping.ending(order_id, history_events=history_events, operator_actions=actions)

    async def _at_rest(self) -> Reading:
        """Return the reading from which on nobody wrote or published any more, or the last if that takes too long."""
        rest, quiet = await self._meter.read(), 0
        for _ in range(int(AT_REST_S / LOOK_AGAIN_S)):
            await asyncio.sleep(LOOK_AGAIN_S)
            reading = await self._meter.read()
            if not _same_work(rest, reading):
                rest, quiet = reading, 0
                continue
            quiet += 1
            if quiet == QUIET_LOOKS:
                break
        return rest

    async def _calm(self) -> None:
        """After a fault the groups may still be settling: an order of either style has to get through first."""
        for style in SagaStyle:
            await self._unmeasured(style, 1)
        await self._at_rest()  # what these two still publish is not the next block's

    async def _unmeasured(self, style: SagaStyle, orders: int) -> None:
        body = await self._shopping.stocked(_PLAIN.scenario, "unmeasured")
        scene = OrderBlock(_PLAIN, style, orders, body, self._shopping, self._machinery)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await scene.play()
        except* TimeoutError as late:
            raise Stuck(f"a plain {style} order did not end within {DEADLINE_S:.0f} s") from late


def _same_work(before: Reading, after: Reading) -> bool:
    """Temporal writes now and then with nothing to do; whoever serves orders does not."""
    mine = before.commits.keys() - {"temporal"}
    return before.records == after.records and all(before.commits[name] == after.commits.get(name) for name in mine)
