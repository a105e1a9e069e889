"""Two versions of the saga side by side on a real Temporal server: an order stays with the version that began it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from temporalio import workflow
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.order import OrderOutcome, OrderRequest, OrderStatus, Pix, Reason, Step
from processes.saga_worker.serve import DEPLOYMENT, deployment_of
from tests.support.at_steps import AtSteps
from tests.support.saga_shop import Saga, SagaShop, eventually, open_shop
from tests.support.service_databases import migrated_files
from tests.support.temporal_servers import real_server
from workflows.order_saga import OrderSaga


@workflow.defn(name="OrderSaga")
class AnotherOrderSaga:
    """A later version whose commands have nothing in common with those of orders under way."""

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        return OrderOutcome(order_id=request.order_id, status=OrderStatus.CANCELLED, reason=Reason.TIMED_OUT)


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[SagaShop]:
    async with (
        await real_server() as environment,
        open_shop(environment, AtSteps(), migrated_files(tmp_path)) as shop,
    ):
        yield shop


async def make_current(shop: SagaShop, build_id: str) -> None:
    """Do the same as `temporal worker deployment set-current-version`. The version is known once its worker polls."""
    client = shop.environment.client
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id, ignore_missing_task_queues=True
    )

    async def set_current() -> bool:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:
            return False
        return True

    await eventually(set_current, f"version {build_id} is current")


async def version_of(saga: Saga) -> str:
    shown = await saga.handle.describe()
    return shown.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id


async def test_an_order_under_way_ends_with_the_version_that_began_it(shop: SagaShop) -> None:
    async with shop.worker(deployment_of("1")):
        await make_current(shop, "1")
        under_way = await shop.place(payment=Pix())
        await under_way.await_progress(Step.CHARGE_PAYMENT, "running")

        async with Worker(
            shop.environment.client,
            task_queue=shop.task_queue,
            workflows=[AnotherOrderSaga],
            workflow_runner=UnsandboxedWorkflowRunner(),
            deployment_config=deployment_of("2"),
        ):
            await make_current(shop, "2")
            new = await shop.place()
            assert (await new.outcome()).status is OrderStatus.CANCELLED
            await under_way.handle.signal(OrderSaga.payment_settled)
            assert (await under_way.outcome()).status is OrderStatus.CONFIRMED

    assert [await version_of(under_way), await version_of(new)] == ["1", "2"]
