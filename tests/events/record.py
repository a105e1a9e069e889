"""Records one message of each event type that has none yet: `python -m tests.events.record`.

Recorded messages never change: the first version wrote them, and they must stay readable.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from choreography.picture import publisher_of
from domain.events import Event, PaymentSettled
from domain.ids import OrderId
from domain.order import Reason
from messaging.events import RecordedEvent
from messaging.kafka.cloudevents import to_message
from messaging.vocabulary import tag_of
from services.vocabulary import ORDER_EVENTS, event_id_of
from tests.support.examples import BOOK, LAMP, NOON, a_request, an_order

V1 = Path(__file__).parent / "v1"
ORDER_ID = OrderId("3f0e2b1a-7c4d-4e5f-8a6b-9c0d1e2f3a4b")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
VALUES: Mapping[str, Any] = {
    "order_id": ORDER_ID,
    "request": a_request((BOOK, 2), (LAMP, 1), order_id=ORDER_ID),
    "order": an_order((BOOK, 2), (LAMP, 1), order_id=ORDER_ID),
    "reason": Reason.OUT_OF_STOCK,
    "expires_at": NOON,
    "charge_id": "ch_3f0e2b1a",
    "tracking_number": "TS3F0E2B1A",
}


def a_message_of(event_type: type[Event]) -> Mapping[str, Any]:
    event = event_type(**{field.name: VALUES[field.name] for field in fields(event_type) if field.name != "type"})
    recorded = RecordedEvent(
        event_id=event_id_of(ORDER_ID, event.type),
        event=event,
        service=publisher_of(event_type),
        at=NOON,
        caused_by=event_id_of(ORDER_ID, "order.requested"),
    )
    message = to_message(ORDER_EVENTS.write(recorded), TRACE)
    value = json.loads(message.value)
    if event_type is PaymentSettled:
        value.pop("type")  # the gateway does not write our tag
    return {
        "topic": ORDER_EVENTS.topic_of(event.type),
        "key": message.key.decode(),
        "headers": {name: value.decode() for name, value in message.headers},
        "value": value,
    }


if __name__ == "__main__":
    for kind in get_args(Event):
        file = V1 / f"{tag_of(kind)}.json"
        if not file.exists():
            file.write_text(json.dumps(a_message_of(kind), indent=2) + "\n")
