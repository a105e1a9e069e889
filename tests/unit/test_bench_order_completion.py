"""How the bench sees the end of its orders."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bench.order_completion import CompletionWatcher, OrderCompletion
from domain.commands import CancelOrder, ConfirmOrder, PlaceOrder
from domain.ids import OrderId
from domain.order import Reason, SagaStyle
from runtime.wiring import Databases, Services
from services.orders.service import OrderService
from tests.support.examples import NOON, SettableClock, a_request

DEADLINE_S = 5.0
LATER = timedelta(seconds=1.5)


@pytest.fixture
def orders(services: Services) -> OrderService:
    return services.orders


@pytest.fixture
def watcher(databases: Databases) -> CompletionWatcher:
    return CompletionWatcher(Path(databases.orders.file).parent, poll_s=0.001)


def placed(orders: OrderService) -> OrderId:
    request = a_request()
    orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    return request.order_id


async def completion_of(watcher: CompletionWatcher, order_id: OrderId) -> OrderCompletion:
    async with asyncio.timeout(DEADLINE_S):
        return await watcher.completion_of(order_id)


async def await_a_poll(orders: OrderService, watcher: CompletionWatcher) -> None:
    """Return once the watcher has read everything that was committed before this call."""
    order_id = placed(orders)
    orders.confirm(ConfirmOrder(order_id=order_id))
    await completion_of(watcher, order_id)


async def test_a_completion_has_the_status_and_the_times_of_the_services(
    orders: OrderService, watcher: CompletionWatcher, clock: SettableClock
) -> None:
    async with watcher.watching():
        confirmed, cancelled = placed(orders), placed(orders)
        waiting = [asyncio.create_task(completion_of(watcher, order_id)) for order_id in (confirmed, cancelled)]
        clock.pass_time(LATER)
        orders.cancel(CancelOrder(order_id=cancelled, reason=Reason.OUT_OF_STOCK))
        orders.confirm(ConfirmOrder(order_id=confirmed))

        assert await asyncio.gather(*waiting) == [
            OrderCompletion("confirmed", None, NOON, NOON + LATER),
            OrderCompletion("cancelled", "out_of_stock", NOON, NOON + LATER),
        ]


async def test_an_order_may_end_before_its_completion_is_awaited(
    orders: OrderService, watcher: CompletionWatcher
) -> None:
    async with watcher.watching():
        order_id = placed(orders)
        orders.confirm(ConfirmOrder(order_id=order_id))
        await await_a_poll(orders, watcher)

        assert (await completion_of(watcher, order_id)).status == "confirmed"


async def test_an_order_that_has_not_ended_is_awaited(orders: OrderService, watcher: CompletionWatcher) -> None:
    async with watcher.watching():
        waiting = asyncio.create_task(completion_of(watcher, placed(orders)))
        await await_a_poll(orders, watcher)

        assert not waiting.done()
        waiting.cancel()


async def test_a_cancelled_wait_does_not_disturb_the_others(orders: OrderService, watcher: CompletionWatcher) -> None:
    async with watcher.watching():
        given_up, other = placed(orders), placed(orders)
        waiting = asyncio.create_task(completion_of(watcher, given_up))
        await await_a_poll(orders, watcher)
        waiting.cancel()
        for order_id in (given_up, other):
            orders.confirm(ConfirmOrder(order_id=order_id))

        assert (await completion_of(watcher, other)).status == "confirmed"


async def test_each_end_is_read_once_and_none_from_before_the_watch(
    orders: OrderService, watcher: CompletionWatcher
) -> None:
    orders.confirm(ConfirmOrder(order_id=placed(orders)))

    async with watcher.watching():
        order_id = placed(orders)
        orders.confirm(ConfirmOrder(order_id=order_id))
        await completion_of(watcher, order_id)
        await await_a_poll(orders, watcher)

    assert watcher._completions == {}
