"""A compensation that keeps failing waits for an operator; the order, the search and the UI show it."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.commands import FailedCompensation
    from domain.ids import OrderId
    from domain.order import OrderStatus, Reason, Step
    from workflows import steps
    from workflows.saga_status import SagaStatus


class AttentionOfOperator:
    def __init__(self, order_id: OrderId, status: SagaStatus) -> None:
        self._order_id = order_id
        self._status = status
        self._needed = False

    async def wait(self, step: Step, reason: Reason, error: ActivityError) -> None:
        """Show which compensation fails, since when and why; return when an operator asks for a retry."""
        why = f"{step} keeps failing since {workflow.now():%Y-%m-%d %H:%M:%S} UTC: {error.cause}"
        self._status.failing(step, str(error.cause))
        self._status.show(OrderStatus.NEEDS_ATTENTION, step, f"{why}\n\n`retry_compensation` continues here.")
        self._needed = True
        failed = FailedCompensation(step=step, error=str(error.cause), reason=reason)
        await steps.show_attention(self._order_id, failed)
        await workflow.wait_condition(lambda: not self._needed)
        await steps.show_attention(self._order_id, None)
        self._status.show(OrderStatus.PENDING, step, f"An operator asked for {step} again.")

    def give(self) -> None:
        self._needed = False

    def refuse_unless_needed(self) -> None:
        """Raises ApplicationError."""
        if not self._needed:
            raise ApplicationError("no compensation of the order waits for an operator", type="NothingToRetry")
