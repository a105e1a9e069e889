"""Others hear how an orchestrated order ended. The saga neither waits for those who are away nor fails with them.

At its end the saga has others told at once. Where that does not work it has a workflow started that tells them, and
that outlives it: while the broker is away it tries again, for hours if need be. It runs on a task queue of its own, so
that its attempts take no place from sagas under way. A child workflow would do the same, at five more events and a
workflow task for each order.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.order_ends import OrderEndActivities
    from domain.order import OrderOutcome
    from workflows.options import LOCAL_FORWARD
    from workflows.order_ends import OrderEnd


class HasEndTold(OrderEnd):
    """Place it behind those that answer the saga's callers, who may be away."""

    async def ended(self, outcome: OrderOutcome) -> None:
        """Return when others were told or the server has it, which must be before the saga closes."""
        await workflow.execute_local_activity_method(
            OrderEndActivities.have_told, outcome, summary="have others told", **LOCAL_FORWARD
        )
