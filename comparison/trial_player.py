"""Plays the trials of a comparison: one block of one style at a time, in the order A B B A."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from comparison.api_client import ShopClient
from comparison.measures import MeasuredOrder, Usage, used_between
from comparison.order_block import OrderBlock
from comparison.scenarios import SCENARIOS
from comparison.stack import ENGINE_DATABASE, POLL_S, Reading, wait_until_idle
from comparison.stack_control import StackControl
from comparison.stack_meter import StackMeter
from comparison.trials import Kind, Trial
from domain.ids import OrderId
from domain.order import SagaStyle

BLOCKS_PER_STYLE = 2
DEADLINE_S = 300.0
IDLE_S = 3.0
WARM_UP_ORDERS = 5
IDLE_WITHIN_S = 15.0
"""Limit for the effects after an order's end: the Inventory service counts pieces as sold, relays publish events."""

_UNMEASURED = Trial("plain", "an order that is not measured", Kind.BUSINESS, SCENARIOS["ok"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A block to be played. `number` counts the blocks from the beginning of the run."""

    number: int
    trial: Trial
    style: SagaStyle
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block that was played. `fault_ended` is None for a trial without a fault, and after a missed deadline."""

    turn: Turn
    orders: Sequence[MeasuredOrder]
    usage: Usage
    fault_ended: datetime | None


class OrdersStuck(Exception):
    """A plain order does not finish any more, so that nothing can be measured."""


def plan_turns(trials: Sequence[Trial], orders: int, seed: int, *, brief: bool = False) -> list[Turn]:
    """Shuffle the trials, those with a fault last, and draw which style begins each.

    Args:
        trials: each gives two blocks of each style, A B B A, so that a drift of the machine affects both alike.
        orders: of each style in each trial, rounded up to fill both blocks, unless the trial has a number of its own.
        seed: the same seed gives the same plan.
        brief: play a trial with a fault only once in each style, A B, since it takes long.
    """
    rng = Random(seed)  # noqa: S311 - not used for secrets
    shuffled = rng.sample(list(trials), len(trials))
    # Faults last: what they leave behind, for example cold caches, would slow down the blocks after them.
    shuffled.sort(key=lambda trial: trial.kind is Kind.FAULT)
    planned: list[tuple[Trial, SagaStyle]] = []
    for trial in shuffled:
        first, second = rng.sample(list(SagaStyle), 2)
        once = brief and trial.kind is Kind.FAULT
        planned += [(trial, style) for style in ((first, second) if once else (first, second, second, first))]
    return [
        Turn(number=number, trial=trial, style=style, orders=trial.orders or -(-orders // BLOCKS_PER_STYLE))
        for number, (trial, style) in enumerate(planned)
    ]


class TrialPlayer:
    def __init__(self, shop: ShopClient, control: StackControl, meter: StackMeter) -> None:
        self._shop = shop
        self._control = control
        self._meter = meter

    async def measure_idle(self) -> Mapping[str, float]:
        """Warm everything up, then return the CPU seconds per second of each process without orders."""
        for style in SagaStyle:
            await self._play_unmeasured(style, WARM_UP_ORDERS)
        # After the warm-up orders: a process that has never worked uses less when idle than one that has.
        before = await self._reading_at_rest()
        await asyncio.sleep(IDLE_S)
        usage = used_between(before, await self._meter.read())
        return {name: used / usage.seconds for name, used in usage.cpu.items()}

    async def play(self, turn: Turn, *, run: str) -> Block:
        """Play one block. An order that is unfinished at the deadline is reported in the state that it has then."""
        block = await self._block(turn.trial, turn.style, turn.orders, run=f"{run}-{turn.number}")
        before = await self._meter.read()
        fault_ended = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                fault_ended = await _play(turn.trial, block)
        except* TimeoutError:
            # The block is reported as it is: its outcomes show which orders did not finish.
            pass
        finally:
            await block.cancel_acts()
            # The next block must not begin on a stack that is still coming up.
            await self._control.wait_until_restarted()
        after = await self._reading_at_rest()
        orders = [await self._measured(order_id, block) for order_id in block.order_ids]
        if turn.trial.fault is not None:
            await self._settle_after_fault()
        return Block(turn=turn, orders=orders, usage=used_between(before, after), fault_ended=fault_ended)

    async def audit(self) -> dict[str, Any]:
        """Return the answer of `GET /audit`, repeated until the effects of the last orders are through."""
        for _ in range(int(IDLE_WITHIN_S / POLL_S)):
            verdict = await self._shop.audit()
            if verdict["ok"]:
                return verdict
            await asyncio.sleep(POLL_S)
        return await self._shop.audit()

    async def _block(self, trial: Trial, style: SagaStyle, orders: int, *, run: str) -> OrderBlock:
        return OrderBlock(
            scenario=trial.scenario,
            style=style,
            orders=orders,
            body=await self._shop.stock(trial.scenario, run),
            shop=self._shop,
            control=self._control,
        )

    async def _measured(self, order_id: str, block: OrderBlock) -> MeasuredOrder:
        history_events = await self._meter.history_events(OrderId(order_id))
        actions = block.operator_actions[order_id]
        return await self._shop.measured(order_id, history_events=history_events, operator_actions=actions)

    async def _reading_at_rest(self) -> Reading:
        reading, _ = await wait_until_idle(self._meter.read, _no_work_between, within_s=IDLE_WITHIN_S)
        return reading

    async def _settle_after_fault(self) -> None:
        # Consumer groups may still be rebalancing. One order of each style has to finish before the next block begins,
        # and what these two still publish must not be counted for that block.
        for style in SagaStyle:
            await self._play_unmeasured(style, 1)
        await self._reading_at_rest()

    async def _play_unmeasured(self, style: SagaStyle, orders: int) -> None:
        block = await self._block(_UNMEASURED, style, orders, run="unmeasured")
        try:
            async with asyncio.timeout(DEADLINE_S):
                await _play(_UNMEASURED, block)
        except* TimeoutError as late:
            raise OrdersStuck(f"a plain {style} order did not finish within {DEADLINE_S:.0f} s") from late


async def _play(trial: Trial, block: OrderBlock) -> datetime | None:
    """Place the orders as the trial says, and return the end of its fault once every order has finished."""
    fault_ended = None
    if trial.fault is not None:
        fault_ended = await trial.fault(block)
    elif trial.concurrent:
        await block.place()
    else:
        await block.place_one_by_one()
    await block.wait_until_finished()
    await block.wait_for_acts()
    return fault_ended


def _no_work_between(before: Reading, after: Reading) -> bool:
    # Temporal's housekeeping writes from time to time without any order, so its database does not count here.
    ours = before.commits.keys() - {ENGINE_DATABASE}
    return before.records == after.records and all(before.commits[name] == after.commits.get(name) for name in ours)
