"""Who starts a saga: the worker, which gets the first task with the answer, or the API where there is no worker."""

import asyncio
import os
import signal

import pytest_asyncio
from temporalio.client import Client, WorkflowExecutionStatus

from comparison.scenarios import SCENARIOS
from runtime.run_folder import RunFolder
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def temporal(stack: Stack) -> Client:
    return await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)


async def started_eagerly(temporal: Client, order_id: str) -> bool:
    history = await temporal.get_workflow_handle(f"order-saga/{order_id}").fetch_history()
    return history.events[0].workflow_execution_started_event_attributes.eager_execution_accepted


async def test_the_worker_gets_the_first_task_with_the_start(shop: Shop, temporal: Client) -> None:
    order_id = await asyncio.to_thread(shop.place, shop.prepared(SCENARIOS["ok"]), "orchestrated")

    assert await started_eagerly(temporal, order_id)
    assert (await asyncio.to_thread(shop.await_end, order_id))["status"] == "confirmed"


async def test_without_a_worker_the_saga_stands_in_temporal_when_its_order_is_accepted(
    shop: Shop, stack: Stack, temporal: Client
) -> None:
    order, held = shop.prepared(SCENARIOS["ok"]), RunFolder(stack.data / "run")
    held.hold("saga-worker")
    try:
        os.kill(stack.ready["processes"]["saga-worker"], signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: "saga-worker" not in stack.ready["processes"], "it is away")
        order_id = await asyncio.to_thread(shop.place, order, "orchestrated")
        saga = await temporal.get_workflow_handle(f"order-saga/{order_id}").describe()
    finally:
        held.release("saga-worker")
    assert saga.status is WorkflowExecutionStatus.RUNNING
    assert not await started_eagerly(temporal, order_id)
    assert (await asyncio.to_thread(shop.await_end, order_id))["status"] == "confirmed"
