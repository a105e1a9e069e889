"""The customer hears of the end of an orchestrated order, which does not fail with that.

By the time of the mail whoever waits for the saga was answered, if this comes before those who answer. It is local:
what it does is to note, in a database of the worker's own, that there is a mail to be sent.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.order_mails import OrderMailActivities
    from domain.order import OrderOutcome
    from workflows.order_ends import OrderEnd

ATTEMPT = timedelta(seconds=10)
GIVEN_UP_AFTER = timedelta(days=1)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
LONGEST_LOCAL_WAIT = timedelta(seconds=1)


class MailsOrderEnd(OrderEnd):
    async def ended(self, outcome: OrderOutcome) -> None:
        try:
            await workflow.execute_local_activity_method(
                OrderMailActivities.order_ended,
                outcome.order_id,
                start_to_close_timeout=ATTEMPT,
                schedule_to_close_timeout=GIVEN_UP_AFTER,
                retry_policy=RETRY,
                local_retry_threshold=LONGEST_LOCAL_WAIT,
                summary="tell the customer",
            )
        except ActivityError as error:
            workflow.logger.warning("the customer of order %s was not told: %s", outcome.order_id, error.cause)
