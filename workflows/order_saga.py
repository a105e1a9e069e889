"""The orchestrated saga: one workflow commands each service, and compensates in reverse order."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.events import (
        InventoryFailed,
        OrderCancelled,
        OrderConfirmed,
        PaymentCompleted,
        PaymentFailed,
        ShippingCancelled,
        ShippingFailed,
        ShippingScheduled,
    )
    from domain.ids import OrderId
    from domain.order import PIVOT, STEPS, OrderOutcome, OrderRequest, OrderStatus, Reason, Step
    from sagas.attention import AttentionOfOperator
    from sagas.compensations import Compensation, Compensations, ran_before
    from sagas.decision import Decision, Interruptions, shielded, take_step
    from sagas.status import SagaStatus, StepProgress
    from services.names import SAGA_OUTCOMES
    from services.vocabulary import event_id_of
    from twinsaga_bridges.handled_events import HandledEvents
    from twinsaga_bridges.kafka.outgoing import OutgoingEvent, publish_before_close
    from workflows import steps
    from workflows.options import ORDER_DEADLINE, SLOW_AFTER
    from workflows.payment import PaymentOfOrder
    from workflows.steps import Undoing

SOURCE = "/twinsaga/order-saga"
PUBLISH_OUTCOME = "have_order_end_told"
"""Activity that publishes the outcome. The name is in the histories of orders under way, so it stays."""

ORDER_DECIDES = "the-order-decides-before-the-undo"
"""Patch of sagas that ask the Order service before the first compensation. Older histories do not."""

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
        self._status = SagaStatus(STEPS, SLOW_AFTER)
        self._payment = PaymentOfOrder(request.order_id)
        self._settlements = HandledEvents()
        self._attention = AttentionOfOperator(self._status, partial(steps.show_attention, request.order_id))
        self._compensations = Compensations(self._status, self._attention.wait)
        self._decision = Decision(interruptions())
        self._repairing = False

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        # The order was placed before its saga runs, so it must be cancelled even if no step ever began.
        self._compensations.register(Compensation(Step.CANCEL_ORDER, steps.cancel_order))
        if self._repairing or ran_before():
            self._register_every_compensation()
        story = self._find_pivot() if self._repairing else self._fulfil(request)
        why_undo = await self._decision.reach(story, slow=self._status.turn_slow())
        why_undo = await shielded(self._finish(why_undo))
        await shielded(workflow.wait_condition(workflow.all_handlers_finished))
        status = OrderStatus.CONFIRMED if why_undo is None else OrderStatus.CANCELLED
        outcome = OrderOutcome(order_id=self._order_id, status=status, reason=why_undo)
        publish_before_close(outcome_event(outcome), activity=PUBLISH_OUTCOME)
        if why_undo is Reason.CANCELLED_BY_CUSTOMER and not self._decision.cancel_asked:
            raise asyncio.CancelledError  # Temporal's own cancel, after which the workflow must end as cancelled
        return outcome

    async def _fulfil(self, request: OrderRequest) -> Reason | None:
        """Run the steps up to the pivot. Return why the order must be undone, or None."""
        created = await self._step(Step.CREATE_ORDER, steps.create_order(request))
        if isinstance(created, OrderCancelled):
            return self._nothing_to_undo(Step.CANCEL_ORDER, created.reason)
        order = created.order

        # A reservation is a local activity: it may have run in a workflow task that was lost, unknown to Temporal. So
        # its undo is registered before the charge, the last step ahead of it whose result Temporal stores.
        self._compensations.register(Compensation(Step.REFUND_PAYMENT, steps.refund_payment))
        self._compensations.register(Compensation(Step.RELEASE_INVENTORY, steps.release_inventory))
        match await self._step(Step.CHARGE_PAYMENT, self._payment.charge(order)):
            case PaymentFailed(reason=reason):
                return self._nothing_to_undo(Step.REFUND_PAYMENT, reason)
            case PaymentCompleted(order=charged):
                order = charged  # without the card token

        match await self._step(Step.RESERVE_INVENTORY, steps.reserve_inventory(order)):
            case InventoryFailed(reason=reason):
                return self._nothing_to_undo(Step.RELEASE_INVENTORY, reason)

        self._compensations.register(Compensation(Step.CANCEL_SHIPPING, steps.cancel_shipping))
        match await self._step(Step.SCHEDULE_SHIPPING, steps.schedule_shipping(order)):
            case ShippingFailed(reason=reason):
                return self._nothing_to_undo(Step.CANCEL_SHIPPING, reason)
            case ShippingScheduled():
                self._decision.pass_pivot()
                return None

    async def _find_pivot(self) -> Reason | None:
        """Continue an order whose saga was lost: forward if its shipment is scheduled, else it is undone."""
        await steps.show_attention(self._order_id, None)
        match await self._step(Step.SCHEDULE_SHIPPING, steps.withdraw_shipping(self._order_id, Reason.TIMED_OUT)):
            case ShippingCancelled(reason=reason):
                return self._nothing_to_undo(Step.CANCEL_SHIPPING, reason)
            case ShippingScheduled():
                self._decision.pass_pivot()
                return None

    async def _finish(self, why_undo: Reason | None) -> Reason | None:
        """Confirm or undo, and return why the order was undone, or None.

        The order's record decides: an earlier run of this saga may have confirmed the order, or begun to undo it.
        """
        if why_undo is not None:
            why_undo = await self._begin_cancellation(why_undo)
        self._decision.make(why_undo)
        if why_undo is None:
            why_undo = await self._confirm()
        if why_undo is not None:
            await self._compensate(why_undo)
        return why_undo

    async def _begin_cancellation(self, reason: Reason) -> Reason | None:
        if not workflow.patched(ORDER_DECIDES):
            return reason
        begun = await steps.begin_cancellation(self._order_id, reason)
        return None if isinstance(begun, OrderConfirmed) else begun.reason

    async def _confirm(self) -> Reason | None:
        """Past the pivot the order only goes forward: both calls are retried until they succeed."""
        self._status.running(Step.CONFIRM_ORDER)
        answer, sold = await asyncio.gather(
            steps.confirm_order(self._order_id), steps.sell_inventory(self._order_id), return_exceptions=True
        )
        if isinstance(answer, OrderCancelled):  # another run has begun to undo the order, perhaps even its reservation
            return answer.reason
        for failure in (answer, sold):
            if isinstance(failure, BaseException):
                raise failure
        self._status.done(Step.CONFIRM_ORDER)
        self._status.show(OrderStatus.CONFIRMED, Step.CONFIRM_ORDER, "The order is confirmed.")
        return None

    async def _compensate(self, reason: Reason) -> None:
        self._payment.stop_waiting()
        undone = workflow.patched(ORDER_DECIDES)
        await self._compensations.run(Undoing(order_id=self._order_id, reason=reason, order_undone=undone))
        self._status.show(OrderStatus.CANCELLED, Step.CANCEL_ORDER, f"The order is cancelled: {reason}.")

    @workflow.update
    async def cancel(self) -> None:
        """Undo the order. Repeatable. Answered once it is decided whether the cancel came in time."""
        await self._decision.cancel()
        self._refuse_cancel_past_pivot()

    @cancel.validator
    def _refuse_cancel_past_pivot(self) -> None:
        self._decision.refuse_cancel_past_pivot("shipping is scheduled, so the order can no longer be cancelled")

    @workflow.update
    async def retry_compensation(self) -> None:
        """Retry the compensation that waits for an operator."""
        self._attention.give()

    @retry_compensation.validator
    def _refuse_retry_of_nothing(self) -> None:
        self._attention.refuse_unless_needed()

    @workflow.signal
    async def payment_settled(self, event_id: str | None = None) -> None:
        """The bridge names the event, except in histories of its earlier versions."""
        if event_id is None or self._settlements.add(event_id):
            await self._payment.settled()

    @workflow.signal
    def repair(self) -> None:
        """Sent with the start of a saga that continues an order whose saga was lost. Later it has no effect."""
        self._repairing = True

    @workflow.query
    def progress(self) -> list[StepProgress[Step]]:
        return self._status.steps

    async def _step(self, step: Step, work: Awaitable[E]) -> E:
        return await take_step(self._status, step, work, refusals=REFUSALS, pivot=step is PIVOT)

    def _register_every_compensation(self) -> None:
        """An earlier run of this saga may have done any step."""
        self._compensations.register(Compensation(Step.REFUND_PAYMENT, steps.refund_payment))
        self._compensations.register(Compensation(Step.RELEASE_INVENTORY, steps.release_inventory))
        self._compensations.register(Compensation(Step.CANCEL_SHIPPING, steps.cancel_shipping))

    def _nothing_to_undo(self, compensation: Step, reason: Reason) -> Reason:
        """A refusal has no effect, so its step needs no compensation."""
        self._compensations.forget(compensation)
        return reason


def interruptions() -> Interruptions[Reason]:
    return Interruptions(cancelled=Reason.CANCELLED_BY_CUSTOMER, timed_out=Reason.TIMED_OUT, deadline=ORDER_DEADLINE)


def outcome_event(outcome: OrderOutcome) -> OutgoingEvent:
    """The outcome as a CloudEvent keyed by the order, under the event id that the order's timeline shows."""
    event_type = "order.confirmed" if outcome.status is OrderStatus.CONFIRMED else "order.cancelled"
    reason = {} if outcome.reason is None else {"reason": outcome.reason}
    return OutgoingEvent(
        topic=SAGA_OUTCOMES,
        key=outcome.order_id,
        type=event_type,
        source=SOURCE,
        data={"order_id": outcome.order_id, "type": event_type, **reason},
        id=event_id_of(outcome.order_id, event_type),
        caused_by=event_id_of(outcome.order_id, "order.requested"),
    )
