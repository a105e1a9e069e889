"""A compensation keeps failing: an operator sees which, since when and why, and has it retried."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.order import OrderStatus, Reason, Step
from sagas.status import SAGA_STEP
from services.orders.store import OrderRecord
from tests.support.saga_shop import Saga, SagaShop
from workflows.order_saga import OrderSaga


async def stuck_order(shop: SagaShop) -> Saga:
    """Its address is refused, and then its money cannot be given back."""
    saga = await shop.place(token="tok_refundFails", postal_code="00000")
    async with shop.time_passes():
        await saga.await_progress(Step.REFUND_PAYMENT, "failing")
        await saga.await_attention()
    return saga


async def record_of(shop: SagaShop, saga: Saga) -> OrderRecord:
    return await asyncio.to_thread(shop.services.orders.find, saga.order_id)


async def test_it_is_tried_eight_times_and_then_shown_to_the_operator(shop: SagaShop) -> None:
    saga = await stuck_order(shop)

    assert shop.at_steps.tries["refund_payment"] == 8
    failing = (await saga.progress())[Step.REFUND_PAYMENT]
    assert failing.last_error == "GatewayFault: payment gateway: refund: 503 from the card network"
    shown = await saga.handle.describe()
    assert shown.typed_search_attributes[SAGA_STEP] == "refund_payment"
    details = await saga.current_details()
    for part in ("refund_payment keeps failing since 20", "503 from the card network", "retry_compensation"):
        assert part in details
    record = await record_of(shop, saga)
    assert record.status is OrderStatus.NEEDS_ATTENTION
    assert record.reason is Reason.UNDELIVERABLE_ADDRESS
    assert record.attention is not None
    assert (record.attention.step, record.attention.error) == (Step.REFUND_PAYMENT, failing.last_error)


async def test_a_retry_continues_at_the_failed_compensation_and_keeps_the_first_reason(shop: SagaShop) -> None:
    saga = await stuck_order(shop)

    await saga.handle.execute_update(OrderSaga.retry_compensation)
    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.UNDELIVERABLE_ADDRESS)
    assert shop.at_steps.tries["release_inventory"] == 1
    assert (await shop.events_of(saga))[-3:] == ["inventory.released", "payment.refunded", "order.cancelled"]
    record = await record_of(shop, saga)
    assert (record.status, record.reason, record.attention) == (
        OrderStatus.CANCELLED,
        Reason.UNDELIVERABLE_ADDRESS,
        None,
    )
    assert (await saga.progress())[Step.REFUND_PAYMENT].last_error is None
    await shop.assert_books_right()


async def test_a_retry_that_fails_waits_for_the_operator_again(shop: SagaShop) -> None:
    async def still_down() -> None:
        raise ConnectionRefusedError("the card network is down")

    shop.at_steps.always("refund_payment", still_down)
    saga = await stuck_order(shop)

    async with shop.time_passes():
        await saga.handle.execute_update(OrderSaga.retry_compensation)
        await shop.await_tries("refund_payment", 12)
        await saga.await_progress(Step.REFUND_PAYMENT, "failing")
    shop.at_steps.mended("refund_payment")
    await saga.handle.execute_update(OrderSaga.retry_compensation)

    assert (await saga.outcome()).status is OrderStatus.CANCELLED
    await shop.assert_books_right()


async def test_the_same_retry_twice_is_one(shop: SagaShop) -> None:
    saga = await stuck_order(shop)

    for _ in range(2):
        await saga.handle.execute_update(OrderSaga.retry_compensation, id="the operator's click")

    assert (await saga.outcome()).status is OrderStatus.CANCELLED
    assert shop.at_steps.tries["refund_payment"] == 9
    await shop.assert_books_right()


async def test_a_retry_is_refused_when_no_compensation_waits(shop: SagaShop) -> None:
    async def slow() -> None:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await (await placed).handle.execute_update(OrderSaga.retry_compensation)
        reasons.append(refused.value.cause)

    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()
    reasons: list[BaseException] = []
    shop.at_steps.once("before", "charge_payment", slow)
    placed.set_result(saga := await shop.place())

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    (reason,) = reasons
    assert isinstance(reason, ApplicationError)
    assert reason.type == "NothingToRetry"


async def test_several_stuck_orders_go_on_each_on_its_own(shop: SagaShop) -> None:
    first, second, third = [await stuck_order(shop) for _ in range(3)]

    # While one ends, the others' only timer is the end of the workflow itself, years away: do not skip to it.
    with shop.environment.auto_time_skipping_disabled():
        await second.handle.execute_update(OrderSaga.retry_compensation)

        assert (await second.outcome()).status is OrderStatus.CANCELLED
        for other in (first, third):
            assert (await record_of(shop, other)).status is OrderStatus.NEEDS_ATTENTION
            assert (await other.progress())[Step.REFUND_PAYMENT].progress == "failing"
            await other.handle.execute_update(OrderSaga.retry_compensation)
            assert (await other.outcome()).reason is Reason.UNDELIVERABLE_ADDRESS
    await shop.assert_books_right()


async def test_a_cancel_of_a_stuck_order_neither_releases_it_nor_changes_its_reason(shop: SagaShop) -> None:
    saga = await stuck_order(shop)

    await saga.handle.execute_update(OrderSaga.cancel)
    await saga.handle.cancel()
    assert (await saga.progress())[Step.REFUND_PAYMENT].progress == "failing"
    await saga.handle.execute_update(OrderSaga.retry_compensation)

    assert (await saga.outcome()).reason is Reason.UNDELIVERABLE_ADDRESS
    await shop.assert_books_right()
