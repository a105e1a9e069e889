"""The payment gateway's events, which have its own form."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from domain.events import Event
from messaging.ids import correlation_key
from messaging.kafka.cloudevents import NotACloudEvent, ReceivedEvent, from_message, type_header
from messaging.kafka.decoding import Received, received
from messaging.kafka.message import IncomingMessage
from messaging.vocabulary import UndecodableEvent
from services.vocabulary import ORDER_EVENTS, SETTLED


def decode_settlement(message: IncomingMessage) -> Received:
    """Decode the gateway's CloudEvent; raises as `read_settlement` does."""
    settled = received(read_settlement(message))
    return replace(settled, traceparent=None, linked=settled.traceparent)


def read_settlement(message: IncomingMessage) -> ReceivedEvent[Event]:
    """Read the gateway's CloudEvent, whose data is `{order_id}` without our tag, and whose key is arbitrary.

    Raises NotACloudEvent: its type or attributes are wrong; UndecodableEvent: its data is wrong.
    """
    if type_header(message.headers) != SETTLED:
        raise NotACloudEvent(f"the type is not {SETTLED}")
    order_id = _settled_order(message.value)
    headers = dict(message.headers)
    if "ce_time" not in headers:  # optional in CloudEvents, required in ours
        headers["ce_time"] = datetime.fromtimestamp(message.timestamp_ms / 1000, UTC).isoformat().encode()
    ours = json.dumps({"order_id": order_id, "type": SETTLED}).encode()
    return from_message(ORDER_EVENTS, order_id.encode(), ours, tuple(headers.items()))


def _settled_order(value: bytes | None) -> str:
    try:
        data = json.loads(value or b"")
    except ValueError as error:
        raise UndecodableEvent("not JSON") from error
    order_id = data.get("order_id") if isinstance(data, dict) else None
    if not isinstance(order_id, str) or correlation_key(order_id.encode(errors="replace")) != order_id:
        raise UndecodableEvent("order_id is missing, or not the id of an order")
    return order_id
