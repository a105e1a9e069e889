"""The witness of one choreographed order, on a Temporal server that skips timers."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.cancellation_requests import CancellationRequestActivities
from domain.ids import OrderId
from domain.order import OrderStatus, SagaStyle, Step
from sagas.status import SAGA_STATUS, SAGA_STEP, STUCK
from sagas.witness import GIVES_UP_AFTER, OPERATOR_HAS, WitnessedEvent
from tests.support.temporal_servers import TEST_SERVER, create_search_attributes
from tests.support.waiting import soon
from workflows.choreography_witness import ChoreographyWitness, WitnessedEnd, WitnessedOrder, witness_id
from workflows.order_attributes import first_attributes
from workflows.witnessed_steps import NEEDS_ATTENTION

ORDER = OrderId("order-1")
SILENCE_S = 60.0
DEADLINE_S = 20.0


@dataclass
class Requests:
    """Records the cancellations that the witness requests."""

    orders: list[OrderId] = field(default_factory=list)

    def ask(self, order_id: OrderId) -> None:
        self.orders.append(order_id)


@dataclass(frozen=True)
class Watched:
    environment: WorkflowEnvironment
    handle: WorkflowHandle[ChoreographyWitness, WitnessedEnd]
    requests: Requests

    async def receives(
        self,
        event_type: str,
        event_id: str,
        *,
        caused_by: str | None = None,
        owed_by: str | None = None,
        waits_until: datetime | None = None,
    ) -> None:
        event = WitnessedEvent(event_id=event_id, caused_by=caused_by, owed_by=owed_by, waits_until=waits_until)
        await self.handle.signal(event_type, event)

    async def needs_attention(self, place: str, *, caused_by: str) -> None:
        event = WitnessedEvent(
            event_id=place, caused_by=caused_by, owed_by="an operator", says="the refund is given up"
        )
        await self.handle.signal(NEEDS_ATTENTION, event)

    async def status(self) -> str | None:
        return (await self.handle.describe()).typed_search_attributes.get(SAGA_STATUS)

    async def step(self) -> str | None:
        return (await self.handle.describe()).typed_search_attributes.get(SAGA_STEP)

    async def events(self) -> list[str]:
        return await self.handle.query(ChoreographyWitness.events)

    async def details(self) -> str:
        return str((await self.handle.query("__temporal_workflow_metadata")).current_details)

    async def await_status(self, wanted: str) -> None:
        await soon(self.status, lambda status: status == wanted)

    async def end(self) -> WitnessedEnd:
        async with asyncio.timeout(DEADLINE_S):
            return await self.handle.result()


@asynccontextmanager
async def _environment() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(TEST_SERVER), data_converter=pydantic_data_converter
    )
    async with environment:
        await create_search_attributes(environment.client)
        yield environment


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[Watched]:
    requests = Requests()
    with ThreadPoolExecutor(2) as threads:
        async with (
            _environment() as environment,
            Worker(
                environment.client,
                task_queue="witnesses",
                workflows=[ChoreographyWitness],
                activities=[CancellationRequestActivities(requests).request],
                activity_executor=threads,
            ),
        ):
            handle = await environment.client.start_workflow(
                ChoreographyWitness.run,
                WitnessedOrder(order_id=ORDER, silence_s=SILENCE_S),
                id=witness_id(ORDER),
                task_queue="witnesses",
                search_attributes=first_attributes(ORDER, SagaStyle.CHOREOGRAPHED),
            )
            yield Watched(environment, handle, requests)


async def test_the_witness_ends_with_its_order_and_has_seen_every_event_once(watched: Watched) -> None:
    await watched.receives("order.requested", "e1", owed_by="order-service")
    await watched.receives("order.created", "e2", owed_by="payment-service")
    await watched.receives("order.created", "e2", owed_by="payment-service")
    await watched.receives("order.confirmed", "e3")

    end = await watched.end()

    assert end.status is OrderStatus.CONFIRMED
    assert end.events == ["order.requested", "order.created", "order.confirmed"]
    assert await watched.status() == OrderStatus.CONFIRMED
    assert watched.requests.orders == []


async def test_an_event_that_was_overtaken_by_the_end_is_still_witnessed(watched: Watched) -> None:
    await watched.receives("order.cancelled", "e2")
    await watched.receives("payment.failed", "e1", owed_by="order-service")

    end = await watched.end()

    assert (end.status, end.events) == (OrderStatus.CANCELLED, ["order.cancelled", "payment.failed"])


async def test_a_silent_order_is_stuck_and_its_cancellation_is_asked_for(watched: Watched) -> None:
    await watched.receives("order.created", "e1", owed_by="payment-service")
    await watched.environment.sleep(timedelta(seconds=SILENCE_S + 1))

    await watched.await_status("stuck")
    details = await watched.details()
    assert "`order.created`" in details
    assert "payment-service" in details

    await watched.receives("order.cancelled", "e2")
    assert (await watched.end()).status is OrderStatus.CANCELLED
    assert watched.requests.orders == [ORDER]


async def test_a_stuck_order_that_speaks_again_is_pending_again(watched: Watched) -> None:
    await watched.environment.sleep(timedelta(seconds=SILENCE_S + 1))
    await watched.await_status("stuck")

    await watched.receives("order.created", "e1", owed_by="payment-service")

    await watched.await_status(OrderStatus.PENDING)


async def test_the_asking_for_cancellation_is_no_answer(watched: Watched) -> None:
    await watched.environment.sleep(timedelta(seconds=SILENCE_S + 1))
    await watched.await_status("stuck")

    await watched.receives("order.cancellation_requested", "e1", owed_by="shipping-service")
    await watched.environment.sleep(timedelta(seconds=2 * SILENCE_S))

    assert (await watched.status(), watched.requests.orders) == ("stuck", [ORDER])


async def test_a_customer_may_be_silent_until_the_payment_expires(watched: Watched) -> None:
    now = await watched.environment.get_current_time()
    await watched.receives("payment.pending", "e1", owed_by="the customer", waits_until=now + timedelta(minutes=30))

    await watched.environment.sleep(timedelta(minutes=30))
    assert (await watched.status(), watched.requests.orders) == (OrderStatus.PENDING, [])

    await watched.environment.sleep(timedelta(seconds=SILENCE_S + 5))
    await watched.await_status("stuck")
    await watched.receives("order.cancelled", "e2")
    await watched.end()
    assert watched.requests.orders == [ORDER]


async def test_the_step_follows_the_events_and_not_the_order_of_their_arrival(watched: Watched) -> None:
    await watched.receives("order.created", "e1", owed_by="payment-service")
    await soon(watched.step, lambda step: step == Step.CHARGE_PAYMENT)

    await watched.receives("inventory.reserved", "e3", caused_by="e2", owed_by="shipping-service")
    await soon(watched.step, lambda step: step == Step.SCHEDULE_SHIPPING)

    await watched.receives("payment.completed", "e2", caused_by="e1", owed_by="inventory-service")
    await watched.receives("order.cancelled", "e9")
    await watched.receives("payment.refunded", "e8", owed_by="order-service")
    await watched.end()
    assert (await watched.status(), await watched.step()) == (OrderStatus.CANCELLED, Step.CANCEL_ORDER)


async def test_an_event_that_was_overtaken_by_its_effect_does_not_turn_the_step_back(watched: Watched) -> None:
    await watched.receives("inventory.reserved", "e3", caused_by="e2", owed_by="shipping-service")
    await watched.receives("payment.completed", "e2", caused_by="e1", owed_by="inventory-service")
    await soon(watched.events, lambda events: len(events) == 2)

    assert await watched.step() == Step.SCHEDULE_SHIPPING
    assert "`inventory.reserved`" in await watched.details()


async def test_an_order_that_needs_attention_shows_it_until_an_operator_acts(watched: Watched) -> None:
    await watched.receives("inventory.released", "e1", owed_by="payment-service")
    await watched.needs_attention("inventory.dlq/0/7", caused_by="e1")

    await watched.await_status(OrderStatus.NEEDS_ATTENTION)
    assert await watched.step() == Step.REFUND_PAYMENT
    details = await watched.details()
    assert "the refund is given up" in details
    assert "an operator" in details

    await watched.environment.sleep(timedelta(days=3))
    assert (await watched.status(), watched.requests.orders) == (OrderStatus.NEEDS_ATTENTION, [])

    await watched.receives("payment.refunded", "e2", owed_by="order-service")
    await watched.await_status(OrderStatus.PENDING)
    await watched.receives("order.cancelled", "e3", caused_by="e2")
    assert (await watched.end()).status is OrderStatus.CANCELLED


async def test_an_order_that_stays_silent_ends_its_witness_as_stuck(watched: Watched) -> None:
    await watched.receives("order.created", "e1", owed_by="payment-service")
    await watched.environment.sleep(timedelta(seconds=SILENCE_S + 1))
    await watched.await_status(STUCK)
    await watched.receives("order.cancellation_requested", "e2", owed_by="shipping-service")

    await watched.environment.sleep(GIVES_UP_AFTER)

    end = await watched.end()
    assert (end.status, end.events) == (STUCK, ["order.created", "order.cancellation_requested"])
    assert (await watched.status(), watched.requests.orders) == (STUCK, [ORDER])


async def test_an_order_that_no_operator_comes_for_ends_its_witness_as_stuck(watched: Watched) -> None:
    await watched.needs_attention("orders.dlq/0/0", caused_by="e1")
    await watched.await_status(OrderStatus.NEEDS_ATTENTION)

    await watched.environment.sleep(OPERATOR_HAS + timedelta(seconds=1))

    assert (await watched.end()).status == STUCK
    assert watched.requests.orders == []
