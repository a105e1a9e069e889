"""The saga step that follows each event of the choreography: what the witness shows as `SagaStep`."""

from collections.abc import Mapping

from domain.order import Step

NEEDS_ATTENTION = "order.needs_attention"
"""Not a service's event: the Kafka bridge signals it for a dead letter that leaves money unrefunded."""

STEP_AFTER: Mapping[str, Step] = {
    "order.requested": Step.CREATE_ORDER,
    "order.created": Step.CHARGE_PAYMENT,
    "payment.pending": Step.CHARGE_PAYMENT,
    "payment.completed": Step.RESERVE_INVENTORY,
    "inventory.reserved": Step.SCHEDULE_SHIPPING,
    "shipping.scheduled": Step.CONFIRM_ORDER,
    "order.confirmed": Step.CONFIRM_ORDER,
    "order.cancellation_requested": Step.CANCEL_SHIPPING,
    "shipping.failed": Step.RELEASE_INVENTORY,
    "shipping.cancelled": Step.RELEASE_INVENTORY,
    "inventory.failed": Step.REFUND_PAYMENT,
    "inventory.released": Step.REFUND_PAYMENT,
    NEEDS_ATTENTION: Step.REFUND_PAYMENT,
    "payment.failed": Step.CANCEL_ORDER,
    "payment.refunded": Step.CANCEL_ORDER,
    "order.cancelled": Step.CANCEL_ORDER,
}


def step_after(event_type: str | None) -> Step:
    """Return the first step for None (no event yet) and for unknown types."""
    return STEP_AFTER.get(event_type or "", Step.CREATE_ORDER)
