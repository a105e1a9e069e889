"""The names of the four services and of the databases, for processes, consumer groups, event sources and settings."""

from typing import Final

ORDER_SERVICE: Final = "order-service"
PAYMENT_SERVICE: Final = "payment-service"
INVENTORY_SERVICE: Final = "inventory-service"
SHIPPING_SERVICE: Final = "shipping-service"
SERVICES: Final = (ORDER_SERVICE, PAYMENT_SERVICE, INVENTORY_SERVICE, SHIPPING_SERVICE)

SERVICE_DATABASES: Final = ("orders", "payments", "inventory", "shipping")
"""In the order of SERVICES."""
DATABASES: Final = (*SERVICE_DATABASES, "gateway", "estate")
