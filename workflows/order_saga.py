"""The orchestrated saga: one workflow tells each service what to do, and undoes in reverse what has to be undone."""

import asyncio
from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from domain.events import (
        InventoryFailed,
        InventoryReserved,
        OrderCancelled,
        PaymentCompleted,
        PaymentFailed,
        PaymentPending,
        PaymentRefunded,
        ShippingFailed,
        ShippingScheduled,
    )
    from domain.ids import OrderId
    from domain.order import Order, OrderRequest, OrderStatus, Reason, Step
    from workflows import steps
    from workflows.compensations import Compensations, shielded
    from workflows.saga_status import SagaStatus, StepProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    order_id: OrderId
    status: OrderStatus
    reason: Reason | None = None


def workflow_id(order_id: OrderId) -> str:
    """An order has one saga: starting it twice finds the first."""
    return f"order-saga/{order_id}"


@workflow.defn
class OrderSaga:
    @workflow.init
    def __init__(self, request: OrderRequest) -> None:
        self._order_id = request.order_id
        self._status = SagaStatus()
        self._undo = Compensations(self._wait_for_operator)
        self._story: asyncio.Task[Reason | None] | None = None
        self._reason: Reason | None = None
        self._settlement: PaymentCompleted | PaymentRefunded | None = None
        self._cancel_asked = self._past_pivot = self._waits_for_operator = False

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        self._undo.register(Step.CANCEL_ORDER, lambda _: steps.cancel_order(self._order_id, self._why()))
        self._story = asyncio.create_task(self._fulfil(request))
        if self._cancel_asked:
            self._story.cancel()
        try:
            self._reason = await self._story
        except (asyncio.CancelledError, ActivityError) as interruption:
            cancelled = is_cancelled_exception(interruption)
            self._reason = Reason.CANCELLED_BY_CUSTOMER if cancelled else Reason.TIMED_OUT
        await shielded(self._confirm() if self._reason is None else self._compensate())
        await shielded(workflow.wait_condition(workflow.all_handlers_finished))
        if self._reason is Reason.CANCELLED_BY_CUSTOMER and not self._cancel_asked:
            raise asyncio.CancelledError  # it was Temporal's own cancel, which expects this end
        return OrderOutcome(order_id=self._order_id, status=self._end(), reason=self._reason)

    async def _fulfil(self, request: OrderRequest) -> Reason | None:
        """Go as far as the pivot. Return why the order has to be undone, or None."""
        self._status.step(Step.CREATE_ORDER, "running")
        created = await steps.create_order(request)
        if isinstance(created, OrderCancelled):
            return self._refused(Step.CREATE_ORDER, created.reason)
        order = created.order
        self._status.step(Step.CREATE_ORDER, "done")

        self._undo.register(
            Step.REFUND_PAYMENT,
            lambda asked: steps.refund_payment(self._order_id, self._why(), asked_by_operator=asked),
        )
        match await self._charge(order):
            case PaymentFailed(reason=reason):
                return self._refused(Step.CHARGE_PAYMENT, reason)
            case PaymentCompleted():
                self._status.step(Step.CHARGE_PAYMENT, "done")

        self._undo.register(Step.RELEASE_INVENTORY, lambda _: steps.release_inventory(self._order_id, self._why()))
        self._status.step(Step.RESERVE_INVENTORY, "running")
        match await steps.reserve_inventory(order):
            case InventoryFailed(reason=reason):
                return self._refused(Step.RESERVE_INVENTORY, reason)
            case InventoryReserved():
                self._status.step(Step.RESERVE_INVENTORY, "done")

        self._undo.register(Step.CANCEL_SHIPPING, lambda _: steps.cancel_shipping(self._order_id, self._why()))
        self._status.begin(Step.SCHEDULE_SHIPPING)
        match await steps.schedule_shipping(order):
            case ShippingFailed(reason=reason):
                return self._refused(Step.SCHEDULE_SHIPPING, reason)
            case ShippingScheduled():
                self._status.step(Step.SCHEDULE_SHIPPING, "done")
        self._past_pivot = True
        return None

    async def _charge(self, order: Order) -> PaymentCompleted | PaymentFailed:
        self._status.begin(Step.CHARGE_PAYMENT)
        payment = await steps.charge_payment(order)
        while isinstance(payment, PaymentPending):
            try:
                await workflow.wait_condition(
                    lambda: self._settlement is not None, timeout=payment.expires_at - workflow.now()
                )
            except TimeoutError:
                payment = await steps.abort_payment(self._order_id, Reason.PAYMENT_EXPIRED)
            else:
                if isinstance(self._settlement, PaymentCompleted):
                    return self._settlement
                payment = PaymentFailed(order_id=self._order_id, reason=Reason.PAYMENT_EXPIRED)
        return payment

    async def _confirm(self) -> None:
        """Only forward from here: both are repeated until they succeed."""
        self._status.step(Step.CONFIRM_ORDER, "running")
        await asyncio.gather(steps.sell_inventory(self._order_id), steps.confirm_order(self._order_id))
        self._status.step(Step.CONFIRM_ORDER, "done")
        self._status.show(OrderStatus.CONFIRMED, Step.CONFIRM_ORDER, "The order is confirmed.")

    async def _compensate(self) -> None:
        await self._undo.run(self._status)
        self._status.show(OrderStatus.CANCELLED, Step.CANCEL_ORDER, f"The order is cancelled: {self._reason}.")

    async def _wait_for_operator(self, step: Step, error: ActivityError) -> None:
        """A compensation keeps failing: say so everywhere, and wait until somebody asks for it again."""
        self._status.step(step, "failing", str(error.cause))
        why = f"{step} keeps failing since {workflow.now():%Y-%m-%d %H:%M:%S} UTC: {error.cause}"
        self._status.show(OrderStatus.NEEDS_ATTENTION, step, f"{why}\n\nThe update `retry_compensation` goes on here.")
        self._waits_for_operator = True
        await steps.show_attention(self._order_id, why)
        await workflow.wait_condition(lambda: not self._waits_for_operator)
        await steps.show_attention(self._order_id, None)
        self._status.show(OrderStatus.PENDING, step, f"An operator asked for {step} again.")

    @workflow.update
    async def cancel(self) -> None:
        """Undo the order. Asking twice is asking once."""
        self._cancel_asked = True
        if self._story is not None:
            self._story.cancel()

    @cancel.validator
    def _cancel_comes_in_time(self) -> None:
        if self._past_pivot:
            raise ApplicationError("shipping is scheduled, so the order can no longer be cancelled", type="TooLate")

    @workflow.update
    async def retry_compensation(self) -> None:
        """Go on with the compensation that waits for an operator."""
        self._waits_for_operator = False

    @retry_compensation.validator
    def _a_compensation_waits(self) -> None:
        if not self._waits_for_operator:
            raise ApplicationError("no compensation of the order waits for an operator", type="NothingToRetry")

    @workflow.signal
    async def payment_settled(self) -> None:
        """The customer paid. The Payment service books it, and gives back what comes too late."""
        self._settlement = await steps.settle_payment(self._order_id)

    @workflow.query
    def progress(self) -> list[StepProgress]:
        return self._status.steps

    def _refused(self, step: Step, reason: Reason) -> Reason:
        """A refusal has no effect that could be undone."""
        self._undo.forget_last()
        self._status.step(step, "refused")
        return reason

    def _why(self) -> Reason:
        return self._reason or Reason.TIMED_OUT

    def _end(self) -> OrderStatus:
        return OrderStatus.CANCELLED if self._reason else OrderStatus.CONFIRMED
