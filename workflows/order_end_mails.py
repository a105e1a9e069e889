"""The customer hears of the end of an orchestrated order, which neither waits for that nor fails with it.

The saga knows nothing of it: by the time of the mail the order is at its end, and whoever waits for it was answered.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

with workflow.unsafe.imports_passed_through():
    from activities.order_mails import OrderMailActivities
    from domain.order import OrderRequest
    from workflows.order_saga import OrderOutcome

ORDER_SAGA = "OrderSaga"
ATTEMPT = timedelta(seconds=10)
GIVEN_UP_AFTER = timedelta(days=1)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


class OrderEndMails(Interceptor):
    """Place it before those that answer the saga's callers: the first is the last to see an end."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        return MailsOrderEnd


class MailsOrderEnd(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        if workflow.info().workflow_type != ORDER_SAGA:
            return await super().execute_workflow(input)
        request: OrderRequest = input.args[0]
        try:
            outcome: OrderOutcome = await super().execute_workflow(input)
        except asyncio.CancelledError:
            await _mail(request)
            raise
        await _mail(request)
        return outcome


async def _mail(request: OrderRequest) -> None:
    mailing = asyncio.create_task(_mail_or_give_up(request))
    try:
        await asyncio.shield(mailing)
    except asyncio.CancelledError:  # a cancellation that comes when the order is at its end already
        await mailing


async def _mail_or_give_up(request: OrderRequest) -> None:
    try:
        await workflow.execute_activity_method(
            OrderMailActivities.order_ended,
            request.order_id,
            start_to_close_timeout=ATTEMPT,
            schedule_to_close_timeout=GIVEN_UP_AFTER,
            retry_policy=RETRY,
            summary="tell the customer",
        )
    except ActivityError as error:
        workflow.logger.warning("the customer of order %s was not told: %s", request.order_id, error.cause)
