"""The orders of one block: placed, acted on by customers and operators, and awaited."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from comparison.api_client import RETRY_S, ShopClient
from comparison.scenarios import Act, Body, Scenario
from comparison.stack_control import StackControl
from domain.ids import OrderId
from domain.order import SagaStyle


@dataclass(slots=True, kw_only=True)
class OrderBlock:
    """`orders` equal orders of one scenario in one style. `control` is for the faults that they meet."""

    scenario: Scenario
    style: SagaStyle
    orders: int
    body: Body
    shop: ShopClient
    control: StackControl
    order_ids: list[str] = field(default_factory=list)
    operator_actions: Counter[str] = field(default_factory=Counter)
    """Successful actions of an operator, by order id."""
    _acts: list[asyncio.Task[None]] = field(default_factory=list)

    async def place(self, *, copies: int = 1) -> None:
        """Place all orders at once. With copies, send each call that many times under one idempotency key."""
        async with asyncio.TaskGroup() as customers:
            for _ in range(self.orders):
                customers.create_task(self._place_one(copies))

    async def place_one_by_one(self) -> None:
        for _ in range(self.orders):
            await self._place_one(1)
            await self.wait_until_finished()

    async def wait_for_event(self, event_type: str) -> None:
        await self.shop.wait_for_event(event_type, self.order_ids)

    async def wait_until_finished(self) -> None:
        await self.shop.wait_until_finished(self.style, self.order_ids)

    async def wait_for_acts(self) -> None:
        """An order may finish before the answer to the act that finished it has arrived."""
        if self._acts:
            await asyncio.wait(self._acts, timeout=RETRY_S)

    async def cancel_acts(self) -> None:
        for act in self._acts:
            act.cancel()
        await asyncio.gather(*self._acts, return_exceptions=True)

    async def redeliver(self) -> None:
        """Deliver the engine's input for all orders again."""
        await self.control.redeliver(self.style, [OrderId(order_id) for order_id in self.order_ids])

    async def _place_one(self, copies: int) -> None:
        order_id = await self.shop.place(self.body, self.style, copies=copies)
        self.order_ids.append(order_id)
        if self.scenario.act is not None:
            self._acts.append(asyncio.create_task(self._act(self.scenario.act, order_id)))

    async def _act(self, act: Act, order_id: str) -> None:
        await self.shop.perform(act, order_id)
        self.operator_actions[order_id] += act is Act.RETRY
