"""One class per fault. A fault is retried; a business no is a refusal, which is an event and never raised."""

from domain.ids import OrderId, Sku


class Fault(Exception):
    """Something that should have answered did not. Trying again may help."""


class GatewayFault(Fault):
    """The payment gateway gave no usable answer; whether it acted is unknown."""

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(f"payment gateway: {operation}: {detail}")


class ImpossibleState(Exception):
    """A message asks for what the records say cannot be. Trying again never helps."""


class InvalidMoney(ValueError):
    """An amount or a currency that is no money."""


class UnknownOrder(LookupError):
    def __init__(self, order_id: OrderId) -> None:
        super().__init__(f"no order has the id {order_id}")
        self.order_id = order_id


class UnknownProduct(LookupError):
    def __init__(self, sku: Sku) -> None:
        super().__init__(f"no product has the SKU {sku}")
        self.sku = sku


class KeyReused(ValueError):
    """An idempotency key came again with another request behind it."""

    def __init__(self, order_id: OrderId) -> None:
        super().__init__("this idempotency key was used before, with another body")
        self.order_id = order_id
