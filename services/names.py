"""Names that other systems know. This module imports nothing heavy: `twinsaga up` and every process read it first.

A service's name is that of its process, its consumer group and the source of its events: consumer groups keep their
offsets under it, and published events carry it.
"""

from collections.abc import Mapping

ORDER_SERVICE = "order-service"
PAYMENT_SERVICE = "payment-service"
INVENTORY_SERVICE = "inventory-service"
SHIPPING_SERVICE = "shipping-service"

SERVICES = (ORDER_SERVICE, PAYMENT_SERVICE, INVENTORY_SERVICE, SHIPPING_SERVICE)

DATABASE_OF: Mapping[str, str] = {
    ORDER_SERVICE: "orders",
    PAYMENT_SERVICE: "payments",
    INVENTORY_SERVICE: "inventory",
    SHIPPING_SERVICE: "shipping",
}
"""The database of each service, as settings and migrations name it."""

GATEWAY = "gateway"
"""The simulated payment gateway, and its database."""

DATABASES = (*DATABASE_OF.values(), GATEWAY, "estate")

SAGA_OUTCOMES = "saga-outcomes"
"""The topic of the outcomes of orchestrated orders."""

ORDER_ID = "OrderId"
SEARCH_ATTRIBUTES = ("SagaStyle", "SagaStatus", "SagaStep", ORDER_ID)
"""Of every saga and witness on Temporal, as `sagas/status.py` names them. All of them are keywords."""
