"""A saga is terminated, or its history is gone, before its order is finished: found by the sweep, mended by a repair.

On the real server, which knows a terminated workflow from a missing one.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.commands import ChargePayment, CreateOrder, PlaceOrder, ReserveInventory, ScheduleShipping
from domain.events import OrderCreated
from domain.ids import CustomerId, OrderId
from domain.order import OrderRequest, OrderStatus, Pix, Reason, SagaStyle, Step
from messaging.sql.outbox import Outbox
from runtime.settings import Settings
from runtime.temporal import repair_saga, saga_status
from runtime.wiring import audit_of, services_over
from services.orders.store import OrderRecord, Remedy
from tests.support.at_steps import AtSteps
from tests.support.examples import a_request
from tests.support.saga_shop import Saga, SagaShop, eventually
from tests.support.sweeps import swept
from tests.support.temporal_servers import real_server
from workflows.order_saga import OrderSaga, workflow_id


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    async with await real_server(at_steps) as environment:
        yield environment


async def lost_after(shop: SagaShop, step: str) -> Saga:
    """Place an order and terminate its saga when `step` has had its effect, which the saga never hears of."""
    async with shop.worker(), shop.at_steps.stopped_after(step) as stopped:
        saga = await shop.place()
        await stopped()
        await saga.handle.terminate("by an operator in the UI")
    return saga


async def impossible() -> None:
    raise ApplicationError("no such charge", non_retryable=True)


async def without_history(shop: SagaShop, step: Step) -> Saga:
    """Place an order that was moved up to `step` by a saga that Temporal knows no longer."""
    request, services = a_request(), shop.services

    def move() -> None:
        services.orders.place(PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint="f"))
        created = services.orders.create(CreateOrder(order=request))
        assert isinstance(created, OrderCreated)
        services.payments.charge(ChargePayment(order=created.order))
        if step is Step.SCHEDULE_SHIPPING:
            services.inventory.reserve(ReserveInventory(order=created.order))
            services.shipping.schedule(ScheduleShipping(order=created.order))

    await asyncio.to_thread(move)
    handle = shop.environment.client.get_workflow_handle_for(OrderSaga.run, workflow_id(request.order_id))
    return Saga(request.order_id, handle)


async def record_of(shop: SagaShop, saga: Saga) -> OrderRecord:
    return await asyncio.to_thread(shop.services.orders.find, saga.order_id)


async def found_by_sweep(shop: SagaShop, saga: Saga) -> OrderRecord:
    async def needs_attention() -> OrderRecord | None:
        record = await record_of(shop, saga)
        return record if record.attention is not None and record.attention.remedy is Remedy.REPAIR else None

    settings = Settings(temporal_task_queue=shop.task_queue)
    async with swept(shop.environment.client, shop.services, settings):
        return await eventually(needs_attention, "the sweep finds the lost saga")


async def repair(shop: SagaShop, saga: Saga) -> Saga:
    settings = Settings(temporal_task_queue=shop.task_queue)
    await repair_saga(shop.environment.client, (await record_of(shop, saga)).request, settings)
    return Saga(saga.order_id, shop.environment.client.get_workflow_handle_for(OrderSaga.run, saga.handle.id))


@pytest.mark.parametrize(
    ("reached", "due", "end", "history_is_gone"),
    [
        (Step.CREATE_ORDER, Step.CHARGE_PAYMENT, OrderStatus.CANCELLED, False),
        (Step.CHARGE_PAYMENT, Step.RESERVE_INVENTORY, OrderStatus.CANCELLED, True),
        (Step.RESERVE_INVENTORY, Step.SCHEDULE_SHIPPING, OrderStatus.CANCELLED, False),
        (Step.SCHEDULE_SHIPPING, Step.CONFIRM_ORDER, OrderStatus.CONFIRMED, True),
    ],
)
async def test_a_terminated_saga_is_shown_and_its_order_is_repaired(
    closed_shop: SagaShop, reached: Step, due: Step, end: OrderStatus, history_is_gone: bool
) -> None:
    shop = closed_shop
    saga = await without_history(shop, reached) if history_is_gone else await lost_after(shop, reached)

    record = await found_by_sweep(shop, saga)
    assert record.status is OrderStatus.NEEDS_ATTENTION
    assert record.attention is not None
    assert record.attention.step is due
    assert ("is gone" if history_is_gone else "TERMINATED") in record.attention.error
    verdict = await asyncio.to_thread(audit_of, shop.services.databases, shop.clock)
    assert [broken.invariant for broken in verdict.broken] == ["every unfinished order has a saga that moves it"]

    async with shop.worker():
        outcome = await (await repair(shop, saga)).outcome()

    reason = None if end is OrderStatus.CONFIRMED else Reason.TIMED_OUT
    assert (outcome.status, outcome.reason) == (end, reason)
    record = await record_of(shop, saga)
    assert (record.status, record.reason, record.attention) == (end, reason, None)
    events = await shop.events_of(saga)
    assert len(set(events)) == len(events)
    assert shop.at_steps.tries["charge_payment"] <= 1
    await shop.assert_books_right()


async def test_a_saga_that_was_terminated_while_it_needed_an_operator_keeps_its_reason(closed_shop: SagaShop) -> None:
    shop = closed_shop
    async with shop.worker():
        shop.at_steps.always("refund_payment", impossible)
        saga = await shop.place(postal_code="00000")
        await saga.await_attention()
        await saga.handle.terminate("by an operator in the UI")

    record = await found_by_sweep(shop, saga)
    assert record.attention is not None
    assert record.attention.step is Step.CANCEL_ORDER

    async with shop.worker():
        repaired = await repair(shop, saga)
        await repaired.await_attention()
        assert (await record_of(shop, saga)).attention != record.attention
        shop.at_steps.mended("refund_payment")
        await repaired.handle.execute_update(OrderSaga.retry_compensation)
        outcome = await repaired.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.UNDELIVERABLE_ADDRESS)
    await shop.assert_books_right()


async def test_a_saga_that_waits_for_its_customer_is_not_lost(shop: SagaShop) -> None:
    saga = await shop.place(payment=Pix())
    other = await shop.place(payment=Pix())

    async def wait_for_customer() -> bool:
        found = [await asyncio.to_thread(shop.services.payments.find, order.order_id) for order in (saga, other)]
        return all(payment is not None for payment in found)

    await eventually(wait_for_customer, "both orders wait for their customer")
    await other.handle.terminate("by an operator in the UI")

    await found_by_sweep(shop, other)

    assert (await record_of(shop, saga)).attention is None


async def test_repairing_twice_is_one_repair(closed_shop: SagaShop) -> None:
    saga = await lost_after(closed_shop, "charge_payment")

    first = await (await repair(closed_shop, saga)).handle.describe()
    second = await (await repair(closed_shop, saga)).handle.describe()
    async with closed_shop.worker():
        outcome = await (await repair(closed_shop, saga)).outcome()

    assert first.run_id == second.run_id
    assert outcome.status is OrderStatus.CANCELLED
    await closed_shop.assert_books_right()


async def placed(shop: SagaShop, request: OrderRequest, style: SagaStyle) -> OrderId:
    services = services_over(shop.services.databases, publish=True)
    await asyncio.to_thread(services.orders.place, PlaceOrder(request=request, style=style, fingerprint="f"))
    return request.order_id


async def test_an_order_that_temporal_refuses_costs_no_other_order_its_saga(closed_shop: SagaShop) -> None:
    shop, too_large = closed_shop, CustomerId("x" * 2_500_000)
    await placed(
        shop, replace(a_request(), customer_id=too_large), SagaStyle.ORCHESTRATED
    )  # the older one, asked first
    order_id = await placed(shop, a_request(), SagaStyle.ORCHESTRATED)

    async def runs() -> bool:
        return await saga_status(shop.environment.client, order_id) is WorkflowExecutionStatus.RUNNING

    async with swept(shop.environment.client, shop.services):
        await eventually(runs, "the other order has its saga")


async def test_while_temporal_is_away_the_events_of_a_silent_order_are_published_again(closed_shop: SagaShop) -> None:
    async with await real_server() as server:
        client = server.client
    # Its server is gone, and nothing else listens on its port.
    await placed(closed_shop, a_request(), SagaStyle.ORCHESTRATED)
    silent = await placed(closed_shop, a_request(), SagaStyle.CHOREOGRAPHED)
    outbox = Outbox(closed_shop.services.databases.orders)
    await asyncio.to_thread(lambda: outbox.mark_published([row.seq for row in outbox.unpublished(10)]))

    async def published_again() -> bool:
        waiting = await asyncio.to_thread(outbox.unpublished, 10)
        return silent in {row.event.key for row in waiting}

    async with swept(client, closed_shop.services):
        await eventually(published_again, "the event waits in the outbox again")
