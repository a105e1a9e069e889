"""Others are told how an order ended: at once, or, where that does not work, by a workflow that tries for longer."""

from datetime import timedelta
from typing import Protocol

from temporalio import activity
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.order import OrderOutcome

TELL_ORDER_END = "TellOrderEnd"
ENDS_QUEUE = "order-ends"
RPC_DEADLINE = timedelta(seconds=5)


class OrderEnds(Protocol):
    async def tell(self, outcome: OrderOutcome) -> bool:
        """Return within a second or two whether others were told. When in doubt it is no: being told twice is harmless.

        Raises nothing.
        """
        ...


class OrderEndActivities:
    def __init__(self, at_once: OrderEnds) -> None:
        self._at_once = at_once

    @activity.defn(name="have_order_end_told")
    async def have_told(self, outcome: OrderOutcome) -> None:
        """Return when it was told, or when Temporal will see to it.

        Raises:
            RPCError: neither Kafka nor Temporal took it; it may be asked again.
        """
        if not await self._at_once.tell(outcome):
            await _told_later(outcome)


async def _told_later(outcome: OrderOutcome) -> None:
    """Start the workflow that tells it, which is one for each end of an order however often this runs."""
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
