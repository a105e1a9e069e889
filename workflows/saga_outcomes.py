"""Others hear on Kafka how an orchestrated order ended. The saga neither waits for that nor fails with it.

At its end the saga starts a workflow that publishes, and that outlives it: while the broker is away it tries again, for
hours if need be. It runs on a task queue of its own, so that its attempts take no place from sagas under way.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from domain.ids import OrderId
    from domain.order import OrderRequest, OrderStatus, Reason
    from workflows.order_saga import OrderOutcome

ORDER_SAGA = "OrderSaga"
PUBLISH_SAGA_OUTCOME = "PublishSagaOutcome"
OUTCOME_QUEUE = "saga-outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaOutcome:
    """How an order ended: confirmed, or cancelled for a reason."""

    order_id: OrderId
    status: OrderStatus
    reason: Reason | None


class SagaOutcomes(Interceptor):
    """Place it behind those that answer the saga's callers, who may be away: the last is the first to see an end."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        return StartsPublishing


class StartsPublishing(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        if workflow.info().workflow_type != ORDER_SAGA:
            return await super().execute_workflow(input)
        request: OrderRequest = input.args[0]
        try:
            ended: OrderOutcome = await super().execute_workflow(input)
        except asyncio.CancelledError:  # Temporal's own cancel: everything is undone by now
            await _publish(request.order_id, OrderStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
            raise
        await _publish(ended.order_id, ended.status, ended.reason)
        return ended


async def _publish(order_id: OrderId, status: OrderStatus, reason: Reason | None) -> None:
    starting = asyncio.create_task(_start(SagaOutcome(order_id=order_id, status=status, reason=reason)))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:  # a cancellation that comes when the order is at its end already
        await starting


async def _start(outcome: SagaOutcome) -> None:
    """Return when the server has it, which must be before the saga closes."""
    try:
        await workflow.start_child_workflow(
            PUBLISH_SAGA_OUTCOME,
            outcome,
            id=f"saga-outcome/{outcome.order_id}/{outcome.status}",
            task_queue=OUTCOME_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            static_summary=f"tell on Kafka that the order is {outcome.status}",
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("the outcome of order %s is published already", outcome.order_id)
