"""What Temporal is trying for an order at this moment. The services record only the attempts that reached them."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from api.dependencies import StepAttempt
from domain.order import OrderOutcome, Step
from workflows.order_saga import OrderSaga

ANSWER_DEADLINE = timedelta(milliseconds=500)

_PART_OF = {"settle_payment": Step.CHARGE_PAYMENT, "abort_payment": Step.CHARGE_PAYMENT}
_STEPS = {*Step, *_PART_OF}
"""Other activities, such as the mails', are no step of the order."""
_UNDER_WAY = {"running", "failing"}


async def steps_being_tried(workflow: WorkflowHandle[OrderSaga, OrderOutcome]) -> Mapping[Step, StepAttempt]:
    """Ask the server for the activities under way, which needs no worker.

    A local activity is known to the worker only: without another under way the workflow itself is asked, which knows of
    no attempts.

    Raises:
        RPCError, WorkflowQueryFailedError: nobody answers in time.
    """
    shown = await workflow.describe(rpc_timeout=ANSWER_DEADLINE)
    pending = shown.raw_description.pending_activities
    tried = dict(_tried(activity) for activity in pending if activity.activity_type.name in _STEPS)
    if tried:
        return tried
    progress = await workflow.query(OrderSaga.progress, rpc_timeout=ANSWER_DEADLINE)
    return {
        step.step: StepAttempt(attempts=1, last_error=step.last_error)
        for step in progress
        if step.progress in _UNDER_WAY
    }


def _tried(activity: PendingActivityInfo) -> tuple[Step, StepAttempt]:
    name = activity.activity_type.name
    error = activity.last_failure.message if activity.HasField("last_failure") else None
    return _PART_OF.get(name) or Step(name), StepAttempt(attempts=activity.attempt, last_error=error)
