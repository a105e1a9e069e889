"""A customer or an operator in the Temporal UI cancels, at every boundary between two steps.

On the real server: the test server fails a saga that cancels an activity at the moment of its completion.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment

from domain.order import OrderStatus, Pix, Reason, Step
from embedded.binaries import temporal_binary
from services.orders.store import Stage
from tests.support.at_steps import AtSteps, Moment
from tests.support.saga_shop import Saga, SagaShop
from workflows.order_saga import OrderSaga

BOUNDARIES = [
    ("create_order", "before"),
    ("create_order", "after"),
    ("charge_payment", "before"),
    ("charge_payment", "after"),
    ("reserve_inventory", "before"),
    ("reserve_inventory", "after"),
    ("schedule_shipping", "before"),
]


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        data_converter=pydantic_data_converter,
        interceptors=[at_steps],
    )
    async with environment:
        yield environment


Way = Callable[[Saga], Awaitable[None]]


async def by_update(saga: Saga) -> None:
    """Return when Temporal has it: while a local activity runs, the saga receives it a moment later."""
    asked = asyncio.create_task(saga.handle.execute_update(OrderSaga.cancel))
    _asked.add(asked)
    await asyncio.wait([asked], timeout=1.0)


async def by_temporal(saga: Saga) -> None:
    await saga.handle.cancel()


_asked: set[asyncio.Task[None]] = set()


async def assert_cancelled(shop: SagaShop, saga: Saga) -> None:
    record = await asyncio.to_thread(shop.services.orders.find, saga.order_id)
    assert (record.stage, record.reason) == (Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    await shop.assert_books_right()


@pytest.mark.parametrize(("step", "moment"), BOUNDARIES)
async def test_the_customer_cancels_at_any_step_and_everything_is_undone(
    shop: SagaShop, step: str, moment: Moment
) -> None:
    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()

    async def cancel() -> None:
        await by_update(await placed)

    shop.at_steps.once(moment, step, cancel)
    saga = await shop.place()
    placed.set_result(saga)

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    await assert_cancelled(shop, saga)


@pytest.mark.parametrize(("step", "moment"), BOUNDARIES)
async def test_temporal_s_own_cancel_at_any_step_undoes_everything_and_ends_as_cancelled(
    shop: SagaShop, step: str, moment: Moment
) -> None:
    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()

    async def cancel() -> None:
        await by_temporal(await placed)

    shop.at_steps.once(moment, step, cancel)
    saga = await shop.place()
    placed.set_result(saga)

    with pytest.raises(WorkflowFailureError) as failure:
        await saga.outcome()

    assert isinstance(failure.value.cause, CancelledError)
    assert (await saga.handle.describe()).status is WorkflowExecutionStatus.CANCELED
    await assert_cancelled(shop, saga)


@pytest.mark.parametrize("way", [by_update, by_temporal])
async def test_a_cancel_that_no_worker_has_seen_yet_is_kept(closed_shop: SagaShop, way: Way) -> None:
    saga = await closed_shop.place()
    await way(saga)

    async with closed_shop.worker():
        await asyncio.wait([asyncio.create_task(saga.outcome())])

    assert await closed_shop.events_of(saga) == ["order.requested", "order.cancelled"]
    await assert_cancelled(closed_shop, saga)


@pytest.mark.parametrize("undo", ["release_inventory", "refund_payment", "cancel_order"])
async def test_temporal_s_cancel_during_compensation_neither_stops_it_nor_hides_why_it_runs(
    shop: SagaShop, undo: str
) -> None:
    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()

    async def cancel_twice() -> None:
        for _ in range(2):
            await by_temporal(await placed)

    shop.at_steps.once("before", undo, cancel_twice)
    saga = await shop.place(postal_code="00000")
    placed.set_result(saga)

    outcome = await saga.outcome()

    assert outcome.reason is Reason.UNDELIVERABLE_ADDRESS
    await shop.assert_books_right()


async def test_cancelling_twice_is_cancelling_once(shop: SagaShop) -> None:
    saga = await shop.place(payment=Pix())
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")

    await saga.handle.execute_update(OrderSaga.cancel, id="cancel")
    await saga.handle.execute_update(OrderSaga.cancel, id="cancel")

    assert (await saga.outcome()).reason is Reason.CANCELLED_BY_CUSTOMER
    events = await shop.events_of(saga)
    assert events[-2:] == ["payment.refunded", "order.cancelled"]
    await assert_cancelled(shop, saga)


async def test_past_the_pivot_the_customer_is_told_why_it_is_too_late(shop: SagaShop) -> None:
    async def database_away() -> None:
        raise ConnectionRefusedError

    shop.at_steps.always("confirm_order", database_away)
    saga = await shop.place()
    await saga.await_progress(Step.CONFIRM_ORDER, "running")

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await saga.handle.execute_update(OrderSaga.cancel)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "TooLate"
    assert "shipping is scheduled" in refused.value.cause.message
    await saga.handle.cancel()
    shop.at_steps.mended("confirm_order")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    await shop.assert_books_right()
