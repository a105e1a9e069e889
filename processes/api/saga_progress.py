"""The attempts that Temporal makes for an order right now. The services record only attempts that reached them."""

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
"""Other activities are not steps of the order."""
_UNDER_WAY = {"running", "failing"}


async def attempts_in(workflow: WorkflowHandle[OrderSaga, OrderOutcome]) -> Mapping[Step, StepAttempt]:
    """Read the pending activities from the server, which needs no worker. Raises RPCError or WorkflowQueryFailedError.

    The server does not know local activities. So if nothing is pending, the workflow is queried; it does not know how
    many attempts there were.
    """
    description = await workflow.describe(rpc_timeout=ANSWER_DEADLINE)
    pending = description.raw_description.pending_activities
    attempts = dict(_attempt(activity) for activity in pending if activity.activity_type.name in _STEPS)
    if attempts:
        return attempts
    progress = await workflow.query(OrderSaga.progress, rpc_timeout=ANSWER_DEADLINE)
    return {
        step.step: StepAttempt(attempts=1, last_error=step.last_error)
        for step in progress
        if step.progress in _UNDER_WAY
    }


def _attempt(activity: PendingActivityInfo) -> tuple[Step, StepAttempt]:
    name = activity.activity_type.name
    error = activity.last_failure.message if activity.HasField("last_failure") else None
    return _PART_OF.get(name) or Step(name), StepAttempt(attempts=activity.attempt, last_error=error)
