"""The customer hears of the end of an orchestrated order, which neither waits for that nor fails with it.

By the time of the mail whoever waits for the saga was answered, if this comes before those who answer.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.order_mails import OrderMailActivities
    from workflows.order_ends import OrderEnd
    from workflows.order_saga import OrderOutcome

ATTEMPT = timedelta(seconds=10)
GIVEN_UP_AFTER = timedelta(days=1)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


class MailsOrderEnd(OrderEnd):
    async def ended(self, outcome: OrderOutcome) -> None:
        try:
            await workflow.execute_activity_method(
                OrderMailActivities.order_ended,
                outcome.order_id,
                start_to_close_timeout=ATTEMPT,
                schedule_to_close_timeout=GIVEN_UP_AFTER,
                retry_policy=RETRY,
                summary="tell the customer",
            )
        except ActivityError as error:
            workflow.logger.warning("the customer of order %s was not told: %s", outcome.order_id, error.cause)
