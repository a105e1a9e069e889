"""An order: as requested (`OrderRequest`), then with prices (`Order`)."""

from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import add
from typing import Literal

from domain.ids import CustomerId, OrderId, Sku
from domain.money import Money


class SagaStyle(StrEnum):
    ORCHESTRATED = "orchestrated"
    CHOREOGRAPHED = "choreographed"


class OrderStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"


class Step(StrEnum):
    """The steps, then the compensations, each in the order in which they run."""

    CREATE_ORDER = "create_order"
    CHARGE_PAYMENT = "charge_payment"
    RESERVE_INVENTORY = "reserve_inventory"
    SCHEDULE_SHIPPING = "schedule_shipping"
    CONFIRM_ORDER = "confirm_order"
    CANCEL_SHIPPING = "cancel_shipping"
    RELEASE_INVENTORY = "release_inventory"
    REFUND_PAYMENT = "refund_payment"
    CANCEL_ORDER = "cancel_order"


STEPS = (Step.CREATE_ORDER, Step.CHARGE_PAYMENT, Step.RESERVE_INVENTORY, Step.SCHEDULE_SHIPPING, Step.CONFIRM_ORDER)
PIVOT = Step.SCHEDULE_SHIPPING
"""Steps before it can be undone. After it the order only goes forward."""


class Reason(StrEnum):
    """Why an order was refused or undone."""

    PAYMENT_DECLINED = "payment_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    PAYMENT_EXPIRED = "payment_expired"
    UNKNOWN_SKU = "unknown_sku"
    MIXED_CURRENCIES = "mixed_currencies"
    OUT_OF_STOCK = "out_of_stock"
    UNDELIVERABLE_ADDRESS = "undeliverable_address"
    TIMED_OUT = "timed_out"
    CANCELLED_BY_CUSTOMER = "cancelled_by_customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`token` is sealed for the Payment service as soon as an order is accepted, and empty once it is charged."""

    token: str
    method: Literal["card"] = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pix:
    method: Literal["pix"] = "pix"


PaymentMethod = Card | Pix


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingAddress:
    """`country` is an ISO 3166-1 alpha-2 code. Every field is sealed as soon as an order is accepted."""

    recipient: str
    street: str
    city: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    sku: Sku
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    sku: Sku
    quantity: int
    unit_price: Money

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order as the customer requests it. Prices come from the catalogue."""

    order_id: OrderId
    customer_id: CustomerId
    lines: tuple[OrderLine, ...]
    payment: PaymentMethod
    shipping_address: ShippingAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A priced order. Commands and events carry it, so that no service has to query another for it."""

    order_id: OrderId
    customer_id: CustomerId
    lines: tuple[PricedLine, ...]
    payment: PaymentMethod
    shipping_address: ShippingAddress

    @property
    def total(self) -> Money:
        return reduce(add, (line.total for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """How the saga of an order ended."""

    order_id: OrderId
    status: OrderStatus
    reason: Reason | None = None
