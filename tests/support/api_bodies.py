"""Valid request bodies, and copies with one value changed."""

from copy import deepcopy
from typing import Any

Json = dict[str, Any]

PRODUCT: Json = {"name": "Coffee", "unit_price": {"amount": 3490, "currency": "BRL"}, "on_hand": 10}
PAIR: Json = {
    "customer_id": "customer-1",
    "lines": [{"sku": "COFFEE", "quantity": 2}],
    "payment": {"method": "card", "token": "tok_visa"},
    "shipping_address": {
        "recipient": "Ana Souza",
        "street": "Avenida Paulista 1000",
        "city": "São Paulo",
        "postal_code": "01310-100",
        "country": "BR",
    },
}
ORDER: Json = PAIR | {"style": "choreographed"}
MISSING = object()


def changed(body: Json, path: str, value: object) -> Json:
    """Return a copy with the value at `path` (as in `lines.0.quantity`) replaced, added, or with MISSING removed."""
    copy = deepcopy(body)
    *way, last = path.split(".")
    inner: Any = copy
    for part in way:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    if value is MISSING:
        del inner[last]
    else:
        inner[last] = value
    return copy
