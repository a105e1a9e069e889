"""The names of the four services, each of which names its process, its consumer group and the source of its events.

These are wire names: consumer groups keep their offsets under them, and published events carry them.
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
