"""How an orchestrated order ended, as the other services would tell it: a CloudEvent, keyed by the order."""

from domain.ids import event_id_of
from domain.order import OrderOutcome, OrderStatus
from twinsaga_bridges.workflow_into_kafka import OutgoingEvent

SAGA_OUTCOMES = "saga-outcomes"
SOURCE = "/twinsaga/order-saga"


def order_end_event(outcome: OrderOutcome) -> OutgoingEvent:
    """Its id is the one that the order's timeline shows, so whoever hears it twice knows."""
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
