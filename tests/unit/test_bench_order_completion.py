"""How the bench sees that its orders ended."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bench.order_completion import OrderEnd, OrderEnds
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
def looker(databases: Databases) -> OrderEnds:
    return OrderEnds(Path(databases.orders.file).parent, every_s=0.001)


def placed(orders: OrderService) -> OrderId:
    request = a_request()
    orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    return request.order_id


async def seen(looker: OrderEnds, order_id: OrderId) -> OrderEnd:
    async with asyncio.timeout(DEADLINE_S):
        return await looker.end_of(order_id)


async def await_a_look(orders: OrderService, looker: OrderEnds) -> None:
    """Whatever was committed before this call is seen."""
    order_id = placed(orders)
    orders.confirm(ConfirmOrder(order_id=order_id))
    await seen(looker, order_id)


async def test_the_end_comes_to_whoever_waits_for_it_with_the_moments_written_down(
    orders: OrderService, looker: OrderEnds, clock: SettableClock
) -> None:
    async with looker.looking():
        confirmed, cancelled = placed(orders), placed(orders)
        waiting = [asyncio.create_task(seen(looker, order_id)) for order_id in (confirmed, cancelled)]
        clock.pass_time(LATER)
        orders.cancel(CancelOrder(order_id=cancelled, reason=Reason.OUT_OF_STOCK))
        orders.confirm(ConfirmOrder(order_id=confirmed))

        assert await asyncio.gather(*waiting) == [
            OrderEnd("confirmed", None, NOON, NOON + LATER),
            OrderEnd("cancelled", "out_of_stock", NOON, NOON + LATER),
        ]


async def test_an_end_that_came_before_anybody_waited_for_it_is_seen(orders: OrderService, looker: OrderEnds) -> None:
    async with looker.looking():
        order_id = placed(orders)
        orders.confirm(ConfirmOrder(order_id=order_id))
        await await_a_look(orders, looker)

        assert (await seen(looker, order_id)).status == "confirmed"


async def test_an_order_that_has_not_ended_is_waited_for(orders: OrderService, looker: OrderEnds) -> None:
    async with looker.looking():
        waiting = asyncio.create_task(seen(looker, placed(orders)))
        await await_a_look(orders, looker)

        assert not waiting.done()
        waiting.cancel()


async def test_who_gave_up_waiting_disturbs_nobody(orders: OrderService, looker: OrderEnds) -> None:
    async with looker.looking():
        given_up, other = placed(orders), placed(orders)
        waiting = asyncio.create_task(seen(looker, given_up))
        await await_a_look(orders, looker)
        waiting.cancel()
        for order_id in (given_up, other):
            orders.confirm(ConfirmOrder(order_id=order_id))

        assert (await seen(looker, other)).status == "confirmed"


async def test_no_end_is_read_twice_and_none_from_before(orders: OrderService, looker: OrderEnds) -> None:
    orders.confirm(ConfirmOrder(order_id=placed(orders)))

    async with looker.looking():
        order_id = placed(orders)
        orders.confirm(ConfirmOrder(order_id=order_id))
        await seen(looker, order_id)
        await await_a_look(orders, looker)

    assert looker._ends == {}
