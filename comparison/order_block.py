"""The orders of one block: placed, acted on by customers and operators, and awaited."""

import asyncio

from comparison.api_client import RETRY_S, ShopClient
from comparison.faults import FaultWindow
from comparison.scenarios import Body
from comparison.stack import StackControl
from comparison.trials import Trial
from domain.ids import OrderId
from domain.order import SagaStyle


class OrderBlock:
    """A number of equal orders of one trial in one style. Implements OrdersUnderFault."""

    def __init__(
        self, trial: Trial, style: SagaStyle, orders: int, body: Body, shop: ShopClient, control: StackControl
    ) -> None:
        self._trial = trial
        self._style = style
        self._orders = orders
        self._body = body
        self._shop = shop
        self._control = control
        self._acts: dict[str, asyncio.Task[int]] = {}
        self.order_ids: list[str] = []

    @property
    def style(self) -> SagaStyle:
        return self._style

    @property
    def control(self) -> StackControl:
        return self._control

    @property
    def operator_actions(self) -> dict[str, int]:
        """Successful actions of an operator, by order id."""
        return {order_id: act.result() for order_id, act in self._acts.items() if _succeeded(act)}

    async def play(self) -> FaultWindow | None:
        """Play the trial and return once every order has finished."""
        window = None
        if self._trial.fault is not None:
            window = await self._trial.fault(self)
        elif self._trial.concurrent:
            await self.place()
        else:
            for _ in range(self._orders):
                await self._place_one(1)
                await self.wait_until_finished()
        await self.wait_until_finished()
        if self._acts:
            # An order may finish before the answer to the act that finished it has arrived.
            await asyncio.wait(self._acts.values(), timeout=RETRY_S)
        return window

    async def cancel_acts(self) -> None:
        for act in self._acts.values():
            act.cancel()
        await asyncio.gather(*self._acts.values(), return_exceptions=True)

    async def place(self, *, copies: int = 1) -> None:
        async with asyncio.TaskGroup() as customers:
            for _ in range(self._orders):
                customers.create_task(self._place_one(copies))

    async def wait_for_event(self, event_type: str) -> None:
        await self._shop.wait_for_event(event_type, self.order_ids)

    async def wait_until_finished(self) -> None:
        await self._shop.wait_until_finished(self._style, self.order_ids)

    async def redeliver(self) -> None:
        await self._control.redeliver(self._style, [OrderId(order_id) for order_id in self.order_ids])

    async def _place_one(self, copies: int) -> None:
        order_id = await self._shop.place(self._body, self._style, copies=copies)
        self.order_ids.append(order_id)
        if self._trial.scenario.act is not None:
            self._acts[order_id] = asyncio.create_task(self._shop.perform(self._trial.scenario.act, order_id))


def _succeeded(task: "asyncio.Task[int]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
