"""The attempts that Temporal makes for an order right now. The services record only attempts that reached them."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.exceptions import FailureError

from api.dependencies import StepAttempt
from domain.ids import OrderId
from domain.order import Step
from workflows.order_saga import OrderSaga, workflow_id

ANSWER_DEADLINE = timedelta(milliseconds=500)

_PART_OF = {"settle_payment": Step.CHARGE_PAYMENT, "abort_payment": Step.CHARGE_PAYMENT}
_STEPS = {*Step, *_PART_OF}
"""Other activities are not steps of the order."""
_UNDER_WAY = {"running", "failing"}


async def attempts_in(client: Client, order_id: OrderId) -> Mapping[Step, StepAttempt]:
    """Read the pending activities from the server, which needs no worker.

    Raises RPCError, WorkflowQueryFailedError or UnreadablePayload.

    The server does not know local activities. So if nothing is pending, the workflow is queried; it does not know how
    many attempts there were.
    """
    workflow = client.get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))
    description = await workflow.describe(rpc_timeout=ANSWER_DEADLINE)
    pending = description.raw_description.pending_activities
    steps = [activity for activity in pending if activity.activity_type.name in _STEPS]
    if steps:
        return dict([await _attempt(activity, client.data_converter) for activity in steps])
    progress = await workflow.query(OrderSaga.progress, rpc_timeout=ANSWER_DEADLINE)
    return {
        step.step: StepAttempt(attempts=1, last_error=step.last_error)
        for step in progress
        if step.progress in _UNDER_WAY
    }


async def _attempt(activity: PendingActivityInfo, converter: DataConverter) -> tuple[Step, StepAttempt]:
    name = activity.activity_type.name
    error: str | None = None
    if activity.HasField("last_failure"):
        failure = await converter.decode_failure(activity.last_failure)  # its message may be encrypted
        error = failure.message if isinstance(failure, FailureError) else str(failure)
    return _PART_OF.get(name) or Step(name), StepAttempt(attempts=activity.attempt, last_error=error)
