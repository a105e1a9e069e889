"""A saga is reset in the Temporal UI: the new run repeats steps that an earlier one has done, and may be interrupted.

On the real server: the test server cannot reset a workflow.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.order import OrderStatus, Pix, Reason, Step
from services.inventory.store import ReservationStatus
from tests.support.at_steps import AtSteps
from tests.support.saga_shop import Saga, SagaShop, eventually
from tests.support.temporal_servers import real_server
from workflows.order_saga import PUBLISH_OUTCOME, OrderSaga


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    async with await real_server(at_steps) as environment:
        yield environment


@dataclass(frozen=True)
class Run:
    run_id: str
    workflow_tasks: list[int]


async def run_of(saga: Saga) -> Run:
    """Return the newest run of the saga."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    tasks = [event.event_id async for event in saga.handle.fetch_history_events() if event.event_type == completed]
    return Run((await saga.handle.describe()).run_id, tasks)


async def reset(shop: SagaShop, saga: Saga, run: Run | None = None, task: int = 0) -> None:
    """Repeat a run of the saga, by default the newest one, from one of its workflow tasks on."""
    run = run or await run_of(saga)
    wanted = ResetWorkflowExecutionRequest(
        namespace=shop.environment.client.namespace,
        reason="an operator of the test",
        request_id=str(uuid4()),
        workflow_task_finish_event_id=run.workflow_tasks[task],
    )
    wanted.workflow_execution.workflow_id, wanted.workflow_execution.run_id = saga.handle.id, run.run_id
    await shop.environment.client.workflow_service.reset_workflow_execution(wanted)


def newest_run(shop: SagaShop, saga: Saga) -> Saga:
    return Saga(saga.order_id, shop.environment.client.get_workflow_handle_for(OrderSaga.run, saga.handle.id))


async def shipment_status(shop: SagaShop, saga: Saga) -> str:
    shipment = await asyncio.to_thread(shop.services.shipping.find, saga.order_id)
    assert shipment is not None
    return shipment.status


@pytest.mark.parametrize("slow_step", ["create_order", "charge_payment", "reserve_inventory", "schedule_shipping"])
async def test_a_confirmed_order_that_is_run_again_and_cancelled_stays_confirmed(
    shop: SagaShop, slow_step: str
) -> None:
    saga = await shop.place()
    first = await saga.outcome()
    again = newest_run(shop, saga).handle
    cancelled: list[asyncio.Task[None]] = []

    async def cancel() -> None:
        cancelled.append(asyncio.create_task(again.execute_update(OrderSaga.cancel)))
        await asyncio.wait(cancelled, timeout=1.0)

    shop.at_steps.once("before", slow_step, cancel)
    await reset(shop, saga)

    assert await newest_run(shop, saga).outcome() == first
    # Too late, or unanswered: Temporal drops an update when another event comes before the end that it brings about.
    with pytest.raises((WorkflowUpdateFailedError, RPCError)):
        await cancelled[0]
    assert await shipment_status(shop, saga) == "scheduled"
    await shop.assert_books_right()


async def test_a_confirmed_order_that_is_run_again_after_its_deadline_stays_confirmed(
    closed_shop: SagaShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with closed_shop.worker():
        saga = await closed_shop.place()
        first = await saga.outcome()
    await reset(closed_shop, saga)
    monkeypatch.setattr("workflows.options.ORDER_DEADLINE", timedelta(0))
    monkeypatch.setattr("workflows.options.SLOW_AFTER", timedelta(0))

    async with closed_shop.worker(), closed_shop.at_steps.stopped_after("charge_payment"):
        assert await newest_run(closed_shop, saga).outcome() == first

    assert first.status is OrderStatus.CONFIRMED
    assert await shipment_status(closed_shop, saga) == "scheduled"
    await closed_shop.assert_books_right()


@pytest.mark.parametrize(("token", "postal_code"), [("tok_insufficientFunds", "01310-100"), ("tok_visa", "00000")])
async def test_a_cancelled_order_that_is_run_again_ends_as_before(shop: SagaShop, token: str, postal_code: str) -> None:
    saga = await shop.place(token=token, postal_code=postal_code)
    first = await saga.outcome()

    await reset(shop, saga)

    assert await newest_run(shop, saga).outcome() == first
    assert first.status is OrderStatus.CANCELLED
    await shop.assert_books_right()


@pytest.mark.parametrize("reached", ["charge_payment", "reserve_inventory", "schedule_shipping"])
async def test_a_run_that_is_cancelled_at_once_undoes_what_the_run_before_it_did(
    closed_shop: SagaShop, reached: str
) -> None:
    async with closed_shop.worker(), closed_shop.at_steps.stopped_after(reached) as stopped:
        saga = await closed_shop.place()
        await stopped()
        await reset(closed_shop, saga)
    again = newest_run(closed_shop, saga).handle
    await asyncio.wait([asyncio.create_task(again.execute_update(OrderSaga.cancel))], timeout=1.0)

    async with closed_shop.worker():
        outcome = await newest_run(closed_shop, saga).outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    await closed_shop.assert_books_right()


async def test_an_undo_that_an_earlier_run_has_begun_is_not_turned_into_a_confirmation(shop: SagaShop) -> None:
    """The compensation of the earlier run is still on its way when the new run asks for the confirmation."""
    scheduled, late = asyncio.Event(), asyncio.Event()

    async def cancel_when_scheduled() -> None:
        scheduled.set()
        await asyncio.wait([asyncio.create_task(saga.handle.execute_update(OrderSaga.cancel))], timeout=1.0)

    shop.at_steps.once("before", "schedule_shipping", cancel_when_scheduled)
    shop.at_steps.once("before", "cancel_shipping", late.wait)
    saga = await shop.place()
    await asyncio.wait_for(scheduled.wait(), 30)

    async def undo_begins() -> bool:
        return (await asyncio.to_thread(shop.services.orders.find, saga.order_id)).reason is not None

    await eventually(undo_begins, "the undo begins")
    await reset(shop, saga)
    outcome = await newest_run(shop, saga).outcome()
    late.set()

    assert outcome.status is OrderStatus.CANCELLED
    await shop.assert_books_right()


async def test_pieces_that_an_earlier_run_has_sold_return_when_the_order_is_undone(shop: SagaShop) -> None:
    """The earlier run's confirmation is still on its way, and its sale was faster."""
    late = asyncio.Event()
    shop.at_steps.once("before", "confirm_order", late.wait)
    saga = await shop.place()

    async def sold() -> bool:
        reservation = await asyncio.to_thread(shop.services.inventory.find, saga.order_id)
        return reservation is not None and reservation.status is ReservationStatus.SOLD

    await eventually(sold, "the pieces are sold")
    again = newest_run(shop, saga).handle

    async def cancel() -> None:
        await asyncio.wait([asyncio.create_task(again.execute_update(OrderSaga.cancel))], timeout=1.0)

    shop.at_steps.once("before", "create_order", cancel)
    await reset(shop, saga)
    try:
        outcome = await newest_run(shop, saga).outcome()
    finally:
        late.set()

    assert outcome.status is OrderStatus.CANCELLED
    await shop.assert_books_right()


async def test_a_confirmed_order_stays_confirmed_wherever_its_saga_is_reset(shop: SagaShop) -> None:
    shop.at_steps.always(PUBLISH_OUTCOME, kafka_away)  # so that workflow tasks follow the confirmation
    saga = await shop.place()
    await shop.await_tries(PUBLISH_OUTCOME, 3)
    shop.at_steps.mended(PUBLISH_OUTCOME)
    first = await saga.outcome()
    assert first.status is OrderStatus.CONFIRMED
    run = await run_of(saga)

    for task in range(len(run.workflow_tasks)):
        await reset(shop, saga, run, task)
        again = newest_run(shop, saga)
        cancelling = asyncio.create_task(again.handle.execute_update(OrderSaga.cancel))
        assert await again.outcome() == first
        await asyncio.gather(cancelling, return_exceptions=True)
        assert await shipment_status(shop, saga) == "scheduled"
    await shop.assert_books_right()


async def kafka_away() -> None:
    raise ConnectionRefusedError


async def test_a_settlement_that_comes_again_after_a_reset_is_booked_once_in_the_new_run(shop: SagaShop) -> None:
    saga, event_id = await shop.place(payment=Pix()), "/gateway event-1"
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    await saga.handle.signal(OrderSaga.payment_settled, event_id)
    first = await saga.outcome()
    again = newest_run(shop, saga).handle
    shop.at_steps.tries.clear()

    # Temporal has forgotten the request id of the signal, and sends the one of the first run to the new run itself.
    shop.at_steps.once("before", "schedule_shipping", lambda: again.signal(OrderSaga.payment_settled, event_id))
    await reset(shop, saga)

    assert await newest_run(shop, saga).outcome() == first
    assert shop.at_steps.tries["settle_payment"] == 1
    await shop.assert_books_right()
