"""One class per error. A refusal (a business no) is an event and never raised."""

from domain.ids import OrderId, Sku


class ImpossibleState(Exception):
    """A command contradicts the records. A retry never helps."""


class InvalidMoney(ValueError):
    """The amount is negative, or the currency is unknown or does not match."""


class UnknownOrder(LookupError):
    def __init__(self, order_id: OrderId) -> None:
        super().__init__(f"no order has the id {order_id}")


class UnknownProduct(LookupError):
    def __init__(self, sku: Sku) -> None:
        super().__init__(f"no product has the SKU {sku}")


class KeyReused(ValueError):
    """An idempotency key was used again with a different request."""

    def __init__(self, order_id: OrderId) -> None:
        super().__init__("this idempotency key was used before, with another body")
        self.order_id = order_id
