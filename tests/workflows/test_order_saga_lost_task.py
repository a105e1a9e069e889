"""A local activity has its effect before Temporal knows of it: its workflow task may be lost and run again.

Decision 0005 says what follows from that for the saga.
"""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError

from domain.commands import ReserveInventory
from domain.order import OrderOutcome, OrderStatus, Step
from services.inventory.store import ReservationStatus
from tests.support.saga_shop import Saga, SagaShop, eventually
from workflows.order_saga import OrderSaga


def in_the_future() -> "asyncio.Future[Saga]":
    return asyncio.get_running_loop().create_future()


async def test_a_reservation_of_a_lost_workflow_task_is_released_though_the_saga_never_saw_it(shop: SagaShop) -> None:
    placed = in_the_future()

    async def reserve_unseen_then_cancel() -> None:
        saga = await placed
        order = (await asyncio.to_thread(shop.services.orders.find, saga.order_id)).order
        assert order is not None
        await asyncio.to_thread(shop.services.inventory.reserve, ReserveInventory(order=order))
        await saga.handle.cancel()
        # The test server, unlike the real one, fails a task that lets go of an activity in the moment when it ends.
        await eventually(let_go, "the saga lets go of the charge")

    async def let_go() -> bool:
        return await (await placed).event_count(EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED) > 0

    shop.at_steps.once("before", "charge_payment", reserve_unseen_then_cancel)
    saga = await shop.place()
    placed.set_result(saga)

    with pytest.raises(WorkflowFailureError):
        await saga.outcome()

    reservation = await asyncio.to_thread(shop.services.inventory.find, saga.order_id)
    assert reservation is not None
    assert reservation.status is ReservationStatus.RELEASED
    await shop.assert_books_right()


@pytest.mark.parametrize("step", ["sell_inventory", "confirm_order"])
async def test_a_cancel_that_makes_the_last_workflow_task_run_again_finds_the_order_confirmed(
    shop: SagaShop, step: str
) -> None:
    placed = in_the_future()

    async def cancel() -> None:
        await (await placed).handle.cancel()

    shop.at_steps.once("after", step, cancel)
    saga = await shop.place()
    placed.set_result(saga)

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert await saga.event_count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED) == 1
    assert shop.at_steps.tries["confirm_order"] == 2
    await shop.assert_books_right()


async def test_a_cancel_that_arrives_with_the_result_of_the_pivot_is_refused(shop: SagaShop) -> None:
    placed = in_the_future()
    asked: list[asyncio.Task[None]] = []

    async def ask() -> None:
        saga = await placed
        asked.append(asyncio.create_task(saga.handle.execute_update(OrderSaga.cancel)))

    shop.at_steps.once("after", "confirm_order", ask)
    saga = await shop.place()
    placed.set_result(saga)

    outcome = await saga.outcome()
    (answer,) = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CONFIRMED
    assert isinstance(answer, Exception)
    assert (await saga.progress())[Step.CONFIRM_ORDER].progress == "done"
    await shop.assert_books_right()
