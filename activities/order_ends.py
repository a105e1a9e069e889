"""The order's end is handed to a workflow that tells others, so that the saga can close."""

from datetime import timedelta

from temporalio import activity
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.order import OrderOutcome

TELL_ORDER_END = "TellOrderEnd"
ENDS_QUEUE = "order-ends"
RPC_DEADLINE = timedelta(seconds=5)


@activity.defn(name="have_order_end_told")
async def have_order_end_told(outcome: OrderOutcome) -> None:
    """Start the workflow that tells it, which is one for each end of an order however often this runs.

    Raises:
        RPCError: Temporal did not take it; it may be asked again.
    """
    try:
        await activity.client().start_workflow(
            TELL_ORDER_END,
            outcome,
            id=f"order-end/{outcome.order_id}/{outcome.status}",
            task_queue=ENDS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"tell that the order is {outcome.status}",
            rpc_timeout=RPC_DEADLINE,
        )
    except WorkflowAlreadyStartedError:
        activity.logger.info("the end of order %s was told already", outcome.order_id)
