"""Tells how one orchestrated order ended: other services on Kafka, its customer by mail."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.order_ends import TELL_ORDER_END
    from activities.order_mails import OrderMailActivities
    from bridges.workflow_into_kafka import OutgoingEvent, publish
    from domain.ids import OrderId, event_id_of
    from domain.order import OrderOutcome, OrderStatus

SAGA_OUTCOMES = "saga-outcomes"
SOURCE = "/twinsaga/order-saga"
MAIL_ATTEMPT = timedelta(seconds=10)
MAIL_GIVEN_UP_AFTER = timedelta(days=1)
MAIL_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


@workflow.defn(name=TELL_ORDER_END)
class TellOrderEnd:
    @workflow.run
    async def run(self, outcome: OrderOutcome, mail_queue: str) -> None:
        """`mail_queue` is that of the saga's worker, which has the mails. Neither of the two waits for the other."""
        await asyncio.gather(_tell_services(outcome), _tell_customer(outcome.order_id, mail_queue))


async def _tell_services(outcome: OrderOutcome) -> None:
    """Try for as long as it takes. The event has the id that the order's timeline shows."""
    event_type = "order.confirmed" if outcome.status is OrderStatus.CONFIRMED else "order.cancelled"
    reason = {} if outcome.reason is None else {"reason": outcome.reason}
    await publish(
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


async def _tell_customer(order_id: OrderId, queue: str) -> None:
    try:
        await workflow.execute_activity_method(
            OrderMailActivities.order_ended,
            order_id,
            task_queue=queue,
            start_to_close_timeout=MAIL_ATTEMPT,
            schedule_to_close_timeout=MAIL_GIVEN_UP_AFTER,
            retry_policy=MAIL_RETRY,
            summary="tell the customer",
        )
    except ActivityError as error:
        workflow.logger.warning("the customer of order %s was not told: %s", order_id, error.cause)
