"""Tells how one orchestrated order ended, as the other services would: a CloudEvent, keyed by the order."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.order_ends import TELL_ORDER_END
    from bridges.workflow_into_kafka import OutgoingEvent, publish
    from domain.ids import event_id_of
    from domain.order import OrderOutcome, OrderStatus

SAGA_OUTCOMES = "saga-outcomes"
SOURCE = "/twinsaga/order-saga"


@workflow.defn(name=TELL_ORDER_END)
class TellOrderEnd:
    @workflow.run
    async def run(self, outcome: OrderOutcome) -> str:
        """Try for as long as it takes. Return the event's id, which is the one that the order's timeline shows."""
        event_type = "order.confirmed" if outcome.status is OrderStatus.CONFIRMED else "order.cancelled"
        reason = {} if outcome.reason is None else {"reason": outcome.reason}
        return await publish(
            OutgoingEvent(
                topic=SAGA_OUTCOMES,
                key=outcome.order_id,
                type=event_type,
                source=SOURCE,
                data={"order_id": outcome.order_id, "type": event_type, **reason},
                id=event_id_of(outcome.order_id, event_type),
                caused_by=event_id_of(outcome.order_id, "order.requested"),
            )
        )
