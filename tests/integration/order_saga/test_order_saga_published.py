"""How a saga ends is told by another workflow, which the saga starts and does not wait for."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from domain.order import OrderOutcome, OrderStatus, Reason
from runtime.binaries import temporal_binary
from runtime.serve_saga_worker import ACTIVITIES_AT_ONCE, saga_worker
from tests.histories.ends import at_the_end, ends_plugin
from tests.histories.orders import KEPT, ended
from tests.integration.order_saga.at_steps import AtSteps
from tests.integration.order_saga.saga_shop import Saga, SagaShop
from workflows.order_saga import OrderSaga
from workflows.saga_status import ORDER_ID, SAGA_STATUS, SAGA_STEP, SAGA_STYLE

CANCELLED, CONFIRMED = OrderStatus.CANCELLED, OrderStatus.CONFIRMED


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    """The real server: the saga has its worker start another workflow there."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        data_converter=pydantic_data_converter,
        search_attributes=[SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID],
        interceptors=[at_steps],
    )
    async with environment:
        yield environment


@pytest_asyncio.fixture
async def telling_shop(closed_shop: SagaShop) -> AsyncIterator[SagaShop]:
    """Nobody runs what tells, as when the bridge or the broker is away."""
    plugin = ends_plugin()
    client = closed_shop.environment.client
    with ThreadPoolExecutor(ACTIVITIES_AT_ONCE) as threads:
        async with saga_worker(client, closed_shop.task_queue, closed_shop.services, threads, [plugin]):
            yield closed_shop


async def placed(shop: SagaShop, name: str) -> Saga:
    order = KEPT[name]
    saga = await shop.place(*order.lines, payment=order.payment, postal_code=order.postal_code)
    await order.act(saga)
    await ended(saga)
    return saga


@pytest.mark.parametrize(
    ("name", "status", "reason", "end"),
    [
        ("ok", CONFIRMED, None, WorkflowExecutionStatus.COMPLETED),
        ("declined", CANCELLED, Reason.PAYMENT_DECLINED, WorkflowExecutionStatus.COMPLETED),
        ("cancelled", CANCELLED, Reason.CANCELLED_BY_CUSTOMER, WorkflowExecutionStatus.COMPLETED),
        ("cancelled_by_temporal", CANCELLED, Reason.CANCELLED_BY_CUSTOMER, WorkflowExecutionStatus.CANCELED),
    ],
)
async def test_a_saga_ends_although_nobody_tells_how(
    telling_shop: SagaShop, name: str, status: OrderStatus, reason: Reason | None, end: WorkflowExecutionStatus
) -> None:
    saga = await placed(telling_shop, name)

    assert (await saga.handle.describe()).status is end
    client = telling_shop.environment.client
    telling = client.get_workflow_handle(f"order-end/{saga.order_id}/{status}")
    assert (await telling.describe()).status is WorkflowExecutionStatus.RUNNING
    begun = (await telling.fetch_history()).events[0].workflow_execution_started_event_attributes
    (outcome,) = await client.data_converter.decode(begun.input.payloads, [OrderOutcome])
    assert outcome == OrderOutcome(order_id=saga.order_id, status=status, reason=reason)


@pytest.mark.parametrize("name", ["ok", "cancelled_by_temporal"])
async def test_a_saga_whose_end_is_told_follows_its_history(telling_shop: SagaShop, name: str) -> None:
    saga = await placed(telling_shop, name)

    replayer = Replayer(workflows=[OrderSaga], data_converter=pydantic_data_converter, interceptors=at_the_end())
    await replayer.replay_workflow(await saga.handle.fetch_history())
