"""A quick saga is searchable by its end only, a slow one by its current step.

On the real server, which has a search, and which gives another worker what the first one left.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.order import OrderStatus, Pix, Reason, Step
from sagas.status import SAGA_STATUS, SAGA_STEP
from tests.support.at_steps import AtSteps
from tests.support.saga_shop import Saga, SagaShop, eventually
from tests.support.temporal_servers import real_server
from workflows.options import ORDER_DEADLINE
from workflows.order_saga import OrderSaga

SOON = timedelta(seconds=1)


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    async with await real_server(at_steps) as environment:
        yield environment


async def await_found(shop: SagaShop, saga: Saga, status: OrderStatus, step: Step) -> None:
    """Wait until a search for the status and the step finds the saga."""
    query = f"SagaStatus = '{status}' AND SagaStep = '{step}' AND OrderId = '{saga.order_id}'"

    async def found() -> bool:
        return [each.id async for each in shop.environment.client.list_workflows(query)] == [saga.handle.id]

    await eventually(found, query)


async def away() -> None:
    raise ConnectionRefusedError("connection refused")


async def impossible() -> None:
    raise ApplicationError("no such charge", non_retryable=True)


@pytest.fixture
def never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a busy machine does not make a saga slow."""
    monkeypatch.setattr("workflows.options.SLOW_AFTER", ORDER_DEADLINE)


@pytest.fixture
def slow_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.options.SLOW_AFTER", SOON)


@pytest.mark.usefixtures("never_slow")
async def test_a_quick_order_updates_its_search_attributes_once_and_is_found_as_confirmed(shop: SagaShop) -> None:
    saga = await shop.place()

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED

    assert await saga.event_count(EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES) == 1
    await await_found(shop, saga, OrderStatus.CONFIRMED, Step.CONFIRM_ORDER)


@pytest.mark.usefixtures("slow_soon")
async def test_a_refund_that_hangs_is_found_once_the_saga_is_slow(shop: SagaShop) -> None:
    shop.at_steps.always("refund_payment", away)
    saga = await shop.place(postal_code="00000")

    await await_found(shop, saga, OrderStatus.PENDING, Step.REFUND_PAYMENT)

    shop.at_steps.mended("refund_payment")
    assert (await saga.outcome()).status is OrderStatus.CANCELLED


@pytest.mark.usefixtures("slow_soon")
async def test_a_saga_that_waits_only_to_confirm_is_found_once_it_is_slow(shop: SagaShop) -> None:
    shop.at_steps.always("confirm_order", away)
    saga = await shop.place()

    await await_found(shop, saga, OrderStatus.PENDING, Step.CONFIRM_ORDER)

    shop.at_steps.mended("confirm_order")
    assert (await saga.outcome()).status is OrderStatus.CONFIRMED


@pytest.mark.usefixtures("slow_soon")
async def test_a_saga_that_turns_slow_while_an_operator_is_waited_for_is_still_found_at_what_fails(
    shop: SagaShop,
) -> None:
    shop.at_steps.always("refund_payment", impossible)
    saga = await shop.place(payment=Pix())
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    asked = asyncio.create_task(saga.handle.execute_update(OrderSaga.cancel))
    await saga.await_attention()

    async def is_slow() -> bool:
        return await saga.event_count(EventType.EVENT_TYPE_TIMER_FIRED) > 0

    await eventually(is_slow, "the saga turns slow")
    await saga.await_progress(Step.REFUND_PAYMENT, "failing")  # answered after the workflow task of the timer

    found = (await saga.handle.describe()).typed_search_attributes
    assert (found[SAGA_STATUS], found[SAGA_STEP]) == (OrderStatus.NEEDS_ATTENTION, Step.REFUND_PAYMENT)
    shop.at_steps.mended("refund_payment")
    await asked
    await saga.handle.execute_update(OrderSaga.retry_compensation)
    assert (await saga.outcome()).status is OrderStatus.CANCELLED


@pytest.mark.usefixtures("slow_soon")
async def test_a_saga_that_turns_slow_is_found_at_the_step_at_which_it_is_and_at_every_later_one(
    shop: SagaShop,
) -> None:
    shop.at_steps.always("schedule_shipping", away)
    saga = await shop.place(payment=Pix())
    await await_found(shop, saga, OrderStatus.PENDING, Step.CHARGE_PAYMENT)

    await saga.handle.signal(OrderSaga.payment_settled)
    await await_found(shop, saga, OrderStatus.PENDING, Step.SCHEDULE_SHIPPING)

    shop.at_steps.mended("schedule_shipping")
    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    await await_found(shop, saga, OrderStatus.CONFIRMED, Step.CONFIRM_ORDER)


async def turns_slow_without_worker(shop: SagaShop) -> Saga:
    """Its worker stops before the saga is slow, and no other takes it up in the second that follows."""
    async with shop.worker():
        saga = await shop.place(payment=Pix())
        await saga.await_progress(Step.CHARGE_PAYMENT, "running")

    async def a_second_ago() -> bool:
        fired = [
            event.event_time.ToDatetime(UTC)
            async for event in saga.handle.fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED
        ]
        return bool(fired) and datetime.now(UTC) - fired[0] > timedelta(seconds=1)

    await eventually(a_second_ago, "the timer fired a second ago")
    return saga


async def ends_of_timers(saga: Saga) -> list[datetime]:
    """Return the end of each timer, counted from the workflow time at which the saga started it."""
    ends: list[datetime] = []
    now = datetime.now(UTC)
    async for event in saga.handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            now = event.event_time.ToDatetime(UTC)
        elif event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            ends.append(now + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta())
    return ends


@pytest.mark.usefixtures("slow_soon")
async def test_a_worker_that_is_late_does_not_move_the_deadline_of_the_order(closed_shop: SagaShop) -> None:
    saga = await turns_slow_without_worker(closed_shop)

    async with closed_shop.worker():
        await await_found(closed_shop, saga, OrderStatus.PENDING, Step.CHARGE_PAYMENT)

    ends = await ends_of_timers(saga)
    assert max(ends) - min(ends) == pytest.approx(ORDER_DEADLINE - SOON, abs=timedelta(milliseconds=100))


@pytest.mark.usefixtures("slow_soon")
async def test_a_worker_that_comes_after_the_deadline_undoes_the_order(
    closed_shop: SagaShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.options.ORDER_DEADLINE", SOON + timedelta(milliseconds=1))
    saga = await turns_slow_without_worker(closed_shop)

    async with closed_shop.worker():
        outcome = await saga.outcome()

    assert outcome.reason is Reason.TIMED_OUT
    await closed_shop.assert_books_right()
