"""What Temporal does with the request ids that `kafka_into_workflow` gives its signals, and what it leaves to do.

Temporal does not promise any of it for signals. These tests state what the servers do that they run on, the
development server or the real one, so that an upgrade that changes it is noticed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from tests.integration.bridges.celery_tasks.engines import temporal
from tests.integration.bridges.payments import Counted, CountsPayments
from tests.support.ports import free_port
from tests.support.real_servers import given_servers
from tests.support.waiting import soon

EVENT = "/payments event-1"
QUEUE = "payments"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    if (servers := given_servers()) is not None:
        namespace = await asyncio.to_thread(servers.make_namespace, f"test-{uuid4().hex[:8]}")
        yield await Client.connect(servers.temporal, namespace=namespace)
        return
    with temporal(tmp_path_factory.mktemp("temporal"), free_port()) as target:
        yield await Client.connect(target)


@dataclass(frozen=True, slots=True)
class Payment:
    client: Client
    handle: WorkflowHandle[CountsPayments, Counted]

    async def pay(self, event: str = EVENT) -> None:
        """Send the event as the bridge does: the event's identity is the id of the request."""
        await self.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=self.handle.id),
                signal_name="paid",
                input=Payloads(payloads=await self.client.data_converter.encode([event])),
                request_id=event,
            )
        )

    async def pay_with_start(self, policy: WorkflowIdReusePolicy.ValueType) -> str:
        """Return the id of the run that got the signal."""
        answer = await self.client.workflow_service.signal_with_start_workflow_execution(
            SignalWithStartWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_id=self.handle.id,
                workflow_type=WorkflowType(name="CountsPayments"),
                task_queue=TaskQueue(name=QUEUE),
                input=Payloads(payloads=await self.client.data_converter.encode([Counted()])),
                signal_name="paid",
                signal_input=Payloads(payloads=await self.client.data_converter.encode([EVENT])),
                request_id=EVENT,
                workflow_id_reuse_policy=policy,
            )
        )
        return answer.run_id

    async def counts(self) -> tuple[int, int]:
        arrived, paid = await self.handle.query(CountsPayments.counts)
        return arrived, paid

    async def renew(self) -> None:
        first = (await self.handle.describe()).run_id
        await self.handle.signal(CountsPayments.renew)
        await soon(self.handle.describe, lambda shown: shown.run_id != first)

    async def reset(self) -> None:
        """Run it again from its last workflow task on. The signals after that one are sent again by the server."""
        completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ids = [event.event_id async for event in self.handle.fetch_history_events() if event.event_type == completed]
        first = (await self.handle.describe()).run_id
        wanted = ResetWorkflowExecutionRequest(
            namespace=self.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=self.handle.id),
            reason="an operator of the test",
            request_id=str(uuid4()),
            workflow_task_finish_event_id=ids[-1],
        )
        await self.client.workflow_service.reset_workflow_execution(wanted)
        await soon(self.handle.describe, lambda shown: shown.run_id != first)

    async def end(self) -> Counted:
        await self.handle.signal(CountsPayments.close)
        return await self.handle.result()


@pytest_asyncio.fixture(loop_scope="module")
async def payment(client: Client) -> AsyncIterator[Payment]:
    workflow_id = f"payment/{uuid4().hex}"
    async with Worker(client, task_queue=QUEUE, workflows=[CountsPayments]):
        await client.start_workflow(CountsPayments.run, Counted(), id=workflow_id, task_queue=QUEUE)
        yield Payment(client, client.get_workflow_handle_for(CountsPayments.run, workflow_id))


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_running_workflow_gets_a_repeated_signal_once(payment: Payment) -> None:
    await payment.pay()
    await payment.pay()
    assert await payment.counts() == (1, 1)


async def test_after_a_reset_a_repeated_signal_arrives_again_and_is_handled_once(payment: Payment) -> None:
    await payment.pay()
    assert await payment.counts() == (1, 1)  # a workflow task has completed, so the reset keeps the signal
    await payment.reset()
    await payment.pay()
    assert await payment.counts() == (2, 1)


async def test_after_the_reset_of_a_closed_workflow_a_repeated_signal_is_handled_once(payment: Payment) -> None:
    await payment.pay()
    assert (await payment.end()).paid == 1
    await payment.reset()
    await payment.pay()
    assert (await payment.end()).paid == 1


async def test_in_the_next_run_a_repeated_signal_arrives_again_and_is_handled_once(payment: Payment) -> None:
    await payment.pay()
    await payment.renew()
    await payment.pay()
    await payment.pay()
    assert await payment.counts() == (2, 1)


async def test_a_closed_workflow_acknowledges_the_signals_that_it_got_and_no_others(payment: Payment) -> None:
    await payment.pay()
    await payment.end()
    await payment.pay()
    with pytest.raises(RPCError) as refused:
        await payment.pay("/payments event-2")
    assert refused.value.status is RPCStatusCode.NOT_FOUND
    assert (await payment.handle.result()).arrived == 1


async def test_a_repeated_signal_with_start_is_a_second_run_unless_duplicates_are_rejected(
    payment: Payment,
) -> None:
    await payment.pay()
    await payment.end()
    first = (await payment.handle.describe()).run_id
    with pytest.raises(RPCError) as refused:
        await payment.pay_with_start(WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
    assert refused.value.status is RPCStatusCode.ALREADY_EXISTS
    assert await payment.pay_with_start(WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE) != first
