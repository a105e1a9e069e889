"""Tells how one orchestrated order ended, for as long as it takes, where that did not work at once."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.outcome import TELL_ORDER_END
    from domain.order import OrderOutcome
    from twinsaga_bridges.workflow_into_kafka import publish
    from workflows.outcome_event import order_end_event


@workflow.defn(name=TELL_ORDER_END)
class TellOrderEnd:
    @workflow.run
    async def run(self, outcome: OrderOutcome) -> str:
        """Return the event's id."""
        return await publish(order_end_event(outcome))
