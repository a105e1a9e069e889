"""The metrics of Temporal's SDK at the address of a process, also those that appear only after failures."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from runtime.metrics import metrics_served
from runtime.settings import Settings
from runtime.temporal_metrics import TemporalMetrics
from tests.support.metrics import Scraped
from tests.support.ports import free_port
from tests.support.temporal_servers import real_server

QUEUE = "metrics"


@workflow.defn
class Unfinishable:
    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a bug: its workflow task fails, and is tried again until the code is repaired")


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await real_server() as server:
        yield server


async def soon(scraped: Scraped, name: str, wanted: Callable[[float], bool], **labels: str) -> None:
    await asyncio.to_thread(scraped.await_value, name, wanted, "as wanted", **labels)


async def test_failures_of_workflow_tasks_of_requests_and_of_polls_are_counted(server: WorkflowEnvironment) -> None:
    settings = Settings(metrics_port=free_port())
    temporal = TemporalMetrics(settings)
    client = await Client.connect(server.client.service_client.config.target_host, runtime=temporal.runtime)
    with metrics_served(settings, temporal):
        scraped = Scraped(f"http://127.0.0.1:{settings.metrics_port}/metrics")
        async with Worker(
            client, task_queue=QUEUE, workflows=[Unfinishable], workflow_runner=UnsandboxedWorkflowRunner()
        ):
            handle: WorkflowHandle[Unfinishable, None] = await client.start_workflow(
                Unfinishable.run, id="unfinishable", task_queue=QUEUE
            )
            await soon(
                scraped,
                "temporal_workflow_task_execution_failed_total",
                lambda count: count > 0,
                workflow_type="Unfinishable",
            )
            await handle.terminate()
            with pytest.raises(RPCError):
                await client.get_workflow_handle("nowhere").describe()
            await soon(scraped, "temporal_request_failure_total", lambda count: count > 0, status_code="NOT_FOUND")
            await server.shutdown()
            await soon(scraped, "temporal_long_request_failure_total", lambda count: count > 0)


def test_without_a_port_the_sdk_measures_nothing() -> None:
    temporal = TemporalMetrics(Settings())

    assert temporal.runtime is None
    assert list(temporal.collect()) == []
