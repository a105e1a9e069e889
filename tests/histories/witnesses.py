"""What the witnesses hear whose histories are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.order import OrderStatus
from workflows.choreography_witness import STUCK, WitnessedEvent
from workflows.witnessed_steps import NEEDS_ATTENTION

SILENCE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """`shows` is the status that the witness has to show before it hears the next one."""

    event_type: str
    event: WitnessedEvent
    shows: str = OrderStatus.PENDING


def _heard(event_type: str, number: int, owed_by: str | None, *, shows: str = OrderStatus.PENDING) -> Heard:
    event = WitnessedEvent(event_id=f"event-{number}", caused_by=f"event-{number - 1}", owed_by=owed_by)
    return Heard(event_type=event_type, event=event, shows=shows)


WITNESSED: Mapping[str, Sequence[Heard]] = {
    "confirmed": [
        _heard("order.requested", 1, "order-service"),
        _heard("order.created", 2, "payment-service"),
        _heard("payment.completed", 3, "inventory-service"),
        _heard("inventory.reserved", 4, "shipping-service"),
        _heard("shipping.scheduled", 5, "order-service"),
        _heard("order.confirmed", 6, None, shows=OrderStatus.CONFIRMED),
    ],
    "needs_attention": [
        _heard("inventory.released", 1, "payment-service"),
        _heard(NEEDS_ATTENTION, 2, "an operator", shows=OrderStatus.NEEDS_ATTENTION),
        _heard("payment.refunded", 3, "order-service"),
        _heard("order.cancelled", 4, None, shows=OrderStatus.CANCELLED),
    ],
    "stuck_then_cancelled": [
        _heard("order.created", 1, "payment-service", shows=STUCK),
        _heard("order.cancelled", 2, None, shows=OrderStatus.CANCELLED),
    ],
}
