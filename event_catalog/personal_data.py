"""What each event may hold of a customer's card and address: decision 35. A test compares it with what is published."""

from collections.abc import Mapping

from services.names import PAYMENT_SERVICE, SHIPPING_SERVICE

TOKEN, ADDRESS = "payment.token", "shipping_address"
"""Paths below the order in an event's data."""

_SEALED = {
    TOKEN: f"Sealed: only the {PAYMENT_SERVICE} can open it.",
    ADDRESS: f"Each field is sealed: only the {SHIPPING_SERVICE} can open it.",
}
_HELD = {
    "order.requested": (TOKEN, ADDRESS),
    "order.created": (TOKEN, ADDRESS),
    "payment.pending": (ADDRESS,),
    "payment.completed": (ADDRESS,),
    "inventory.reserved": (ADDRESS,),
}
OF_ORDER_REQUESTS: Mapping[str, str] = {
    TOKEN: "Plain text, until the bridge accepts the order: restrict who may read this topic.",
    ADDRESS: "Plain text, as the token.",
}


def personal_data_in(event_type: str) -> Mapping[str, str]:
    """The path of each value that the event may hold, and in which form. An empty token is none."""
    return {path: _SEALED[path] for path in _HELD.get(event_type, ())}
