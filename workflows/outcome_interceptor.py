"""What is done when an order's saga has ended: by interceptors, of which the saga knows nothing."""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from activities.outcome import OrderEndActivities
    from domain.order import OrderOutcome, OrderRequest, OrderStatus, Reason
    from workflows.interruptions import shielded
    from workflows.options import LOCAL_FORWARD

ORDER_SAGA = "OrderSaga"


class OrderEnd(WorkflowInboundInterceptor):
    """Finishes what it does although a cancellation comes: the order is at its end already."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        if workflow.info().workflow_type != ORDER_SAGA:
            return await super().execute_workflow(input)
        request: OrderRequest = input.args[0]
        try:
            outcome: OrderOutcome = await super().execute_workflow(input)
        except asyncio.CancelledError:  # Temporal's own cancel: everything is undone by now
            cancelled, reason = OrderStatus.CANCELLED, Reason.CANCELLED_BY_CUSTOMER
            await shielded(self.ended(OrderOutcome(order_id=request.order_id, status=cancelled, reason=reason)))
            raise
        await shielded(self.ended(outcome))
        return outcome

    @abstractmethod
    async def ended(self, outcome: OrderOutcome) -> None:
        """Raise nothing: it would become the end of the saga."""


class HasEndTold(OrderEnd):
    """Place it behind those that answer the saga's callers, who may be away."""

    async def ended(self, outcome: OrderOutcome) -> None:
        """Return when others were told or the server has it, which must be before the saga closes."""
        await workflow.execute_local_activity_method(
            OrderEndActivities.have_told, outcome, summary="have others told", **LOCAL_FORWARD
        )


@dataclass(frozen=True, slots=True)
class AtOrderEnd(Interceptor):
    """Of several the last is the first to see an end, and the others wait for it."""

    kind: type[OrderEnd]

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        return self.kind
