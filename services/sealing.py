"""Card tokens and addresses are sealed where an order comes in, and opened by the one service that needs them.

Commands, events and records carry them sealed. A seal belongs to one place of one order: see decision 35.
"""

from dataclasses import dataclass, fields, replace
from typing import Protocol

from domain.errors import ImpossibleState
from domain.ids import OrderId
from domain.order import Card, Order, OrderRequest, ShippingAddress
from messaging.errors import Fault


class NoKeyForSeal(Fault):
    """The value is sealed with a key that this process does not have. An operator can add it."""


class BrokenSeal(ImpossibleState):
    """The value was changed, is of another place, or is not sealed at all."""


class Seal(Protocol):
    """Seals the values of one service and opens them. Both are given the same `place`: the order and the field."""

    def close(self, value: str, place: str) -> str: ...

    def open(self, sealed: str, place: str) -> str:
        """Raises NoKeyForSeal, BrokenSeal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seals:
    """What a process that accepts orders needs."""

    payment: Seal
    shipping: Seal


class OpenText:
    """Seals nothing: for tests of one service, and for processes that neither accept orders nor handle them."""

    def close(self, value: str, place: str) -> str:  # noqa: ARG002 - the signature of Seal
        return value

    def open(self, sealed: str, place: str) -> str:  # noqa: ARG002 - the same
        return sealed


UNSEALED = Seals(payment=OpenText(), shipping=OpenText())


def sealed_request(request: OrderRequest, seals: Seals) -> OrderRequest:
    order_id, payment, address = request.order_id, request.payment, request.shipping_address
    if isinstance(payment, Card):
        payment = Card(token=seals.payment.close(payment.token, _card(order_id)))
    closed = {name: seals.shipping.close(getattr(address, name), _address(order_id, name)) for name in _ADDRESS_FIELDS}
    return replace(request, payment=payment, shipping_address=ShippingAddress(**closed))


def without_token(order: Order) -> Order:
    """The order as it travels on once it is charged: nobody needs the token after that."""
    return replace(order, payment=Card(token="")) if isinstance(order.payment, Card) else order


def opened_token(order_id: OrderId, card: Card, seal: Seal) -> str:
    """Raises NoKeyForSeal, BrokenSeal."""
    return seal.open(card.token, _card(order_id))


def opened_address(order: Order, seal: Seal) -> ShippingAddress:
    """Raises NoKeyForSeal, BrokenSeal."""
    order_id, sealed = order.order_id, order.shipping_address
    opened = {name: seal.open(getattr(sealed, name), _address(order_id, name)) for name in _ADDRESS_FIELDS}
    return ShippingAddress(**opened)


_ADDRESS_FIELDS = tuple(field.name for field in fields(ShippingAddress))


def _card(order_id: OrderId) -> str:
    return f"{order_id}/payment.token"


def _address(order_id: OrderId, field: str) -> str:
    return f"{order_id}/shipping_address.{field}"
