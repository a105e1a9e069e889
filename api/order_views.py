"""Combines the records of the four services into one view of an order. No query crosses their databases."""

from collections.abc import Iterable, Mapping, Sequence

from api.dependencies import Dependencies, StepAttempt
from api.schemas.order_views import (
    ActionView,
    AttentionView,
    InventoryView,
    OrderSummary,
    OrderView,
    PaymentView,
    ShippingView,
    StepView,
    Timeline,
)
from api.schemas.products import MoneyView
from api.timelines import timeline_of
from domain.ids import OrderId
from domain.order import STEPS, Step
from messaging.unit_of_work import StepRecord
from services.inventory.store import Reservation
from services.journal import Journal
from services.orders.store import Attention, OrderRecord
from services.payments.store import Payment
from services.shipping.store import Shipment


def journals_of(order_id: OrderId, services: Dependencies) -> Sequence[Journal]:
    return (
        services.order_records.journal(order_id),
        services.payments.journal(order_id),
        services.inventory.journal(order_id),
        services.shipping.journal(order_id),
    )


def view_of(order_id: OrderId, services: Dependencies) -> OrderView:
    """Raises UnknownOrder. The order is read first, so no other part of the view is older than its status."""
    record = services.order_records.find(order_id)
    return _view(record, journals_of(order_id, services), services)


def view_and_timeline_of(order_id: OrderId, services: Dependencies) -> tuple[OrderView, Timeline]:
    """Raises UnknownOrder. The order is read before the events, so a finished order comes with its last event."""
    record = services.order_records.find(order_id)
    journals = journals_of(order_id, services)
    timeline = timeline_of(event for journal in journals for event in journal.events)
    return _view(record, journals, services), timeline


def _view(record: OrderRecord, journals: Sequence[Journal], services: Dependencies) -> OrderView:
    order_id = record.request.order_id
    return OrderView(
        **summary_of(record).model_dump(),
        payment=_payment(services.payments.find(order_id)),
        inventory=_inventory(services.inventory.find(order_id)),
        shipping=_shipping(services.shipping.find(order_id)),
        steps=list(_steps(step for journal in journals for step in journal.steps)),
        trace_id=services.traces.id_of(order_id),
        actions=[
            ActionView(at=each.at, by=each.key_name, action=each.action, error=each.error)
            for each in services.actions.of_order(order_id)
        ],
    )


def with_attempts(view: OrderView, attempts: Mapping[Step, StepAttempt]) -> OrderView:
    """Add attempts that no service has recorded: those under way, and those that never reached their service."""
    recorded = {step.name: step for step in view.steps}
    begun = (step for step in Step if step in recorded or step in attempts)
    steps = [_with_attempt(recorded.get(step) or _pending(step), attempts.get(step)) for step in begun]
    return view.model_copy(update={"steps": steps})


def _with_attempt(step: StepView, attempt: StepAttempt | None) -> StepView:
    if attempt is None or step.status not in {"pending", "retrying"}:
        return step
    newer = attempt if attempt.attempts > step.attempts else step
    status = "running" if newer.last_error is None else "retrying"
    return step.model_copy(
        update={"status": status, "attempts": newer.attempts, "last_error": newer.last_error or step.last_error}
    )


def summary_of(record: OrderRecord) -> OrderSummary:
    return OrderSummary(
        order_id=record.request.order_id,
        style=record.style.value,
        status=record.status.value,
        reason=record.reason,
        attention=_attention(record.attention),
        total=MoneyView.of(record.order.total) if record.order else None,
        placed_at=record.placed_at,
        finished_at=record.finished_at,
    )


def _steps(records: Iterable[StepRecord]) -> Iterable[StepView]:
    known: Mapping[str, StepRecord] = {record.step: record for record in records}
    for step in Step:
        record = known.get(step)
        if record is not None:
            yield StepView(
                name=step,
                status=record.status.value,
                attempts=record.attempts,
                at=record.at,
                last_error=record.last_error,
            )
        elif step in STEPS:
            yield _pending(step)


def _pending(step: Step) -> StepView:
    return StepView(name=step, status="pending", attempts=0, at=None)


def _attention(attention: Attention | None) -> AttentionView | None:
    if attention is None:
        return None
    return AttentionView(step=attention.step, since=attention.since, error=attention.error)


def _payment(payment: Payment | None) -> PaymentView:
    if payment is None:
        return PaymentView(status="none", captured=0, refunded=0)
    return PaymentView(status=payment.status.value, captured=payment.captured, refunded=payment.refunded)


def _inventory(reservation: Reservation | None) -> InventoryView:
    return InventoryView(status=reservation.status.value if reservation else "none")


def _shipping(shipment: Shipment | None) -> ShippingView:
    if shipment is None:
        return ShippingView(status="none", tracking_number=None)
    return ShippingView(status=shipment.status.value, tracking_number=shipment.tracking_number)
