"""A block of equal orders under way: who placed them, who does what about them, and who waits for their ends."""

import asyncio
from collections.abc import Sequence

from comparison.api_client import ANSWER_S, Shopping
from comparison.faults import Struck
from comparison.scenarios import Body
from comparison.stack import StackControl
from comparison.trials import Trial
from domain.ids import OrderId
from domain.order import SagaStyle


class OrderBlock:
    """The scene on which a trial is played. `actions` has what an operator had to do, by order."""

    def __init__(
        self, trial: Trial, style: SagaStyle, orders: int, body: Body, shopping: Shopping, machinery: StackControl
    ) -> None:
        self._trial = trial
        self._style = style
        self._orders = orders
        self._body = body
        self._shopping = shopping
        self._machinery = machinery
        self._acts: dict[str, asyncio.Task[int]] = {}
        self.order_ids: list[str] = []

    @property
    def style(self) -> SagaStyle:
        return self._style

    @property
    def machinery(self) -> StackControl:
        return self._machinery

    @property
    def actions(self) -> dict[str, int]:
        return {order_id: act.result() for order_id, act in self._acts.items() if _succeeded(act)}

    async def play(self) -> Struck | None:
        """Return once every order has ended."""
        struck = None
        if self._trial.fault is not None:
            struck = await self._trial.fault(self)
        elif self._trial.together:
            await self.place()
        else:
            for _ in range(self._orders):
                await self._place_one(1)
                await self.ended()
        await self.ended()
        if self._acts:  # an order may end before whoever acted has heard the answer
            await asyncio.wait(self._acts.values(), timeout=ANSWER_S)
        return struck

    async def leave(self) -> None:
        """Nobody waits or acts any more."""
        for act in self._acts.values():
            act.cancel()
        await asyncio.gather(*self._acts.values(), return_exceptions=True)

    async def place(self, *, copies: int = 1) -> None:
        async with asyncio.TaskGroup() as customers:
            for _ in range(self._orders):
                customers.create_task(self._place_one(copies))

    async def recorded(self, event_type: str) -> None:
        await self._shopping.recorded(event_type, self.order_ids)

    async def ended(self) -> None:
        await self._shopping.ended(self._style, self.order_ids)

    async def repeat(self) -> None:
        await self._machinery.repeat(self._style, _typed(self.order_ids))

    async def _place_one(self, copies: int) -> None:
        order_id = await self._shopping.place(self._body, self._style, copies=copies)
        self.order_ids.append(order_id)
        if self._trial.scenario.act is not None:
            self._acts[order_id] = asyncio.create_task(self._shopping.act(self._trial.scenario.act, order_id))


def _typed(order_ids: Sequence[str]) -> list[OrderId]:
    return [OrderId(order_id) for order_id in order_ids]


def _succeeded(task: "asyncio.Task[int]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
