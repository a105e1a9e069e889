"""Others hear on Kafka how an orchestrated order ended. The saga neither waits for that nor fails with it.

At its end the saga starts a workflow that publishes, and that outlives it: while the broker is away it tries again, for
hours if need be. It runs on a task queue of its own, so that its attempts take no place from sagas under way.
"""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from workflows.order_ends import OrderEnd
    from workflows.order_saga import OrderOutcome

PUBLISH_SAGA_OUTCOME = "PublishSagaOutcome"
OUTCOME_QUEUE = "saga-outcomes"


class StartsPublishing(OrderEnd):
    """Place it behind those that answer the saga's callers, who may be away."""

    async def ended(self, outcome: OrderOutcome) -> None:
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
