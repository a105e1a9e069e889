"""The events of the witnesses whose histories are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.order import OrderStatus
from sagas.status import STUCK
from sagas.witness import WitnessedEvent
from workflows.witnessed_steps import NEEDS_ATTENTION

SILENCE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """`shows`: the status that the witness must show before the next event is sent."""

    event_type: str
    event: WitnessedEvent
    shows: str = OrderStatus.PENDING


def _received(event_type: str, number: int, owed_by: str | None, *, shows: str = OrderStatus.PENDING) -> Received:
    event = WitnessedEvent(event_id=f"event-{number}", caused_by=f"event-{number - 1}", owed_by=owed_by)
    return Received(event_type=event_type, event=event, shows=shows)


WITNESSED: Mapping[str, Sequence[Received]] = {
    "confirmed": [
        _received("order.requested", 1, "order-service"),
        _received("order.created", 2, "payment-service"),
        _received("payment.completed", 3, "inventory-service"),
        _received("inventory.reserved", 4, "shipping-service"),
        _received("shipping.scheduled", 5, "order-service"),
        _received("order.confirmed", 6, None, shows=OrderStatus.CONFIRMED),
    ],
    "needs_attention": [
        _received("inventory.released", 1, "payment-service"),
        _received(NEEDS_ATTENTION, 2, "an operator", shows=OrderStatus.NEEDS_ATTENTION),
        _received("payment.refunded", 3, "order-service"),
        _received("order.cancelled", 4, None, shows=OrderStatus.CANCELLED),
    ],
    "stuck_then_cancelled": [
        _received("order.created", 1, "payment-service", shows=STUCK),
        _received("order.cancelled", 2, None, shows=OrderStatus.CANCELLED),
    ],
}
