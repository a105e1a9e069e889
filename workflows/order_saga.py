"""The orchestrated saga: one workflow tells each service what to do, and undoes in reverse what has to be undone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.events import (
        InventoryFailed,
        OrderCancelled,
        PaymentFailed,
        ShippingFailed,
        ShippingScheduled,
    )
    from domain.ids import OrderId
    from domain.order import OrderOutcome, OrderRequest, OrderStatus, Reason, Step
    from workflows import steps
    from workflows.attention import AttentionOfOperator
    from workflows.compensations import Compensation, Compensations
    from workflows.interruptions import end_of, raise_if_cancelled, shielded
    from workflows.payment import PaymentOfOrder
    from workflows.saga_status import SagaStatus, StepProgress

REFUSALS = (OrderCancelled, PaymentFailed, InventoryFailed, ShippingFailed)

E = TypeVar("E")


def workflow_id(order_id: OrderId) -> str:
    """An order has one saga: starting it twice finds the first."""
    return f"order-saga/{order_id}"


@workflow.defn
class OrderSaga:
    @workflow.init
    def __init__(self, request: OrderRequest) -> None:
        self._order_id = request.order_id
        self._status = SagaStatus()
        self._payment = PaymentOfOrder(request.order_id)
        self._attention = AttentionOfOperator(request.order_id, self._status)
        self._compensations = Compensations(self._status, self._attention.wait)
        self._story: asyncio.Task[Reason | None] | None = None
        self._cancel_asked = self._past_pivot = self._decided = False

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        # The order is on record before its saga runs, so there is something to cancel even if no step ever began.
        self._compensations.register(Compensation(Step.CANCEL_ORDER, steps.cancel_order))
        slow = asyncio.create_task(self._status.turn_slow())
        self._story = asyncio.create_task(self._fulfil(request))
        if self._cancel_asked:
            self._story.cancel()
        why_undo = await end_of(self._story, slow)
        self._decided = True
        await shielded(self._confirm() if why_undo is None else self._compensate(why_undo))
        await shielded(workflow.wait_condition(workflow.all_handlers_finished))
        if why_undo is Reason.CANCELLED_BY_CUSTOMER and not self._cancel_asked:
            raise asyncio.CancelledError  # it was Temporal's own cancel, which expects this end
        status = OrderStatus.CONFIRMED if why_undo is None else OrderStatus.CANCELLED
        return OrderOutcome(order_id=self._order_id, status=status, reason=why_undo)

    async def _fulfil(self, request: OrderRequest) -> Reason | None:
        """Go as far as the pivot. Return why the order has to be undone, or None."""
        created = await self._step(Step.CREATE_ORDER, steps.create_order(request))
        if isinstance(created, OrderCancelled):
            return self._nothing_to_undo(Step.CANCEL_ORDER, created.reason)
        order = created.order

        # A local activity may have run in a workflow task that was lost, unknown to Temporal. So the undo of reserving
        # is there before the step ahead of it, of which Temporal keeps what came out.
        self._compensations.register(Compensation(Step.REFUND_PAYMENT, steps.refund_payment))
        self._compensations.register(Compensation(Step.RELEASE_INVENTORY, steps.release_inventory))
        match await self._step(Step.CHARGE_PAYMENT, self._payment.charge(order)):
            case PaymentFailed(reason=reason):
                return self._nothing_to_undo(Step.REFUND_PAYMENT, reason)

        match await self._step(Step.RESERVE_INVENTORY, steps.reserve_inventory(order)):
            case InventoryFailed(reason=reason):
                return self._nothing_to_undo(Step.RELEASE_INVENTORY, reason)

        self._compensations.register(Compensation(Step.CANCEL_SHIPPING, steps.cancel_shipping))
        match await self._step(Step.SCHEDULE_SHIPPING, steps.schedule_shipping(order)):
            case ShippingFailed(reason=reason):
                return self._nothing_to_undo(Step.CANCEL_SHIPPING, reason)
            case ShippingScheduled():
                self._past_pivot = True
                return None

    async def _confirm(self) -> None:
        """Only forward from here: both are repeated until they succeed."""
        self._status.running(Step.CONFIRM_ORDER)
        await asyncio.gather(steps.confirm_order(self._order_id), steps.sell_inventory(self._order_id))
        self._status.done(Step.CONFIRM_ORDER)
        self._status.show(OrderStatus.CONFIRMED, Step.CONFIRM_ORDER, "The order is confirmed.")

    async def _compensate(self, reason: Reason) -> None:
        self._payment.not_awaited_any_more()
        await self._compensations.run(self._order_id, reason)
        self._status.show(OrderStatus.CANCELLED, Step.CANCEL_ORDER, f"The order is cancelled: {reason}.")

    @workflow.update
    async def cancel(self) -> None:
        """Undo the order. Asking twice is asking once."""
        self._cancel_asked = True
        if self._story is not None:
            self._story.cancel()
        await workflow.wait_condition(lambda: self._decided)
        self._cancel_comes_in_time()

    @cancel.validator
    def _cancel_comes_in_time(self) -> None:
        if self._past_pivot:
            raise ApplicationError("shipping is scheduled, so the order can no longer be cancelled", type="TooLate")

    @workflow.update
    async def retry_compensation(self) -> None:
        """Go on with the compensation that waits for an operator."""
        self._attention.given()

    @retry_compensation.validator
    def _a_compensation_waits(self) -> None:
        self._attention.must_be_needed()

    @workflow.signal
    async def payment_settled(self) -> None:
        await self._payment.settled()

    @workflow.query
    def progress(self) -> list[StepProgress]:
        return self._status.steps

    async def _step(self, step: Step, work: Awaitable[E]) -> E:
        self._status.running(step)
        event = await work
        if isinstance(event, REFUSALS):
            self._status.refused(step)
            return event
        self._status.done(step)
        if step is not Step.SCHEDULE_SHIPPING:  # past the pivot it is too late
            raise_if_cancelled()
        return event

    def _nothing_to_undo(self, compensation: Step, reason: Reason) -> Reason:
        """A refusal has no effect."""
        self._compensations.forget(compensation)
        return reason
