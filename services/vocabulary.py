"""The events of the order saga, as messaging needs to know them."""

from operator import attrgetter
from typing import Final
from uuid import UUID

from domain.events import Event
from messaging.vocabulary import Publisher, Vocabulary
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

SETTLED: Final = "payment.settled"
"""The payment gateway's event, for orders of both styles."""

SETTLEMENTS: Final = "payment-settlements"
"""The payment gateway's topic. It contains nothing else."""

ORDER_EVENTS: Final[Vocabulary[Event]] = Vocabulary(
    union=Event,
    entity="order",
    key_of=attrgetter("order_id"),
    publishers={
        "order": Publisher(ORDER_SERVICE, "orders"),
        "payment": Publisher(PAYMENT_SERVICE, "payments"),
        "inventory": Publisher(INVENTORY_SERVICE, "inventory"),
        "shipping": Publisher(SHIPPING_SERVICE, "shipping"),
    },
    from_outside={SETTLED: SETTLEMENTS},
    # By the witness, until the Order service did it on its request. Topics may still contain some.
    formerly_by={"order.cancellation_requested": "witness"},
    namespace=UUID("b7c3b9b4-0a52-5a0f-8a1d-2f0d7a4c9e22"),
)

TOPICS: Final = ORDER_EVENTS.topics
event_id_of: Final = ORDER_EVENTS.event_id
