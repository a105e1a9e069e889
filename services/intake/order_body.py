"""The JSON body of an order, and the command that it becomes.

The API, the Kafka topic of a legacy producer and the Celery task all use it, so that they accept the same orders and
refuse a reused key in the same way.
"""

import json
from collections import Counter
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from domain.commands import PlaceOrder
from domain.ids import CustomerId, OrderId, Sku, new_order_id, order_id_from_key
from domain.order import Card, OrderLine, OrderRequest, Pix, SagaStyle, ShippingAddress
from services.intake.fields import (
    Body,
    CardToken,
    Country,
    CustomerText,
    PostalCode,
    Quantity,
    SkuText,
    StyleName,
    Text,
)
from services.sealing import Seals, sealed_request


class LineBody(Body):
    sku: SkuText
    quantity: Quantity


class CardBody(Body):
    method: Literal["card"]
    token: CardToken


class PixBody(Body):
    method: Literal["pix"]


class AddressBody(Body):
    recipient: Text
    street: Text
    city: Text
    postal_code: PostalCode
    country: Country


class OrderPairBody(Body):
    """An order without prices, which come from the catalogue."""

    customer_id: CustomerText
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=100)]
    payment: Annotated[CardBody | PixBody, Field(discriminator="method")]
    shipping_address: AddressBody

    @field_validator("lines")
    @classmethod
    def _each_sku_once(cls, lines: list[LineBody]) -> list[LineBody]:
        for sku, times in Counter(line.sku for line in lines).items():
            if times > 1:
                raise PydanticCustomError(
                    "duplicate_sku", "SKU {sku} comes {times} times", {"sku": sku, "times": times}
                )
        return lines

    def to_request(self, order_id: OrderId) -> OrderRequest:
        address = self.shipping_address
        return OrderRequest(
            order_id=order_id,
            customer_id=CustomerId(self.customer_id),
            lines=tuple(OrderLine(sku=Sku(line.sku), quantity=line.quantity) for line in self.lines),
            payment=Card(token=self.payment.token) if isinstance(self.payment, CardBody) else Pix(),
            shipping_address=ShippingAddress(
                recipient=address.recipient,
                street=address.street,
                city=address.city,
                postal_code=address.postal_code,
                country=address.country,
            ),
        )


class OrderBody(OrderPairBody):
    style: StyleName

    def saga_style(self) -> SagaStyle:
        return SagaStyle(self.style)


class InvalidOrder(ValueError):
    """The message names each field that is wrong, and no value: values may be personal data."""


def read_order(order: object) -> OrderPairBody:
    """Validate the decoded JSON of an order that came by Kafka or Celery. Raises InvalidOrder."""
    try:
        return OrderPairBody.model_validate(order)
    except ValidationError as invalid:
        raise InvalidOrder(wrong_fields(invalid)) from None


def wrong_fields(invalid: ValidationError) -> str:
    errors = invalid.errors(include_input=False)
    return "; ".join(": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in errors)


def place_order_command(
    body: OrderPairBody, style: SagaStyle, seals: Seals, *, scope: str, key: str | None
) -> PlaceOrder:
    """Turn the body into the command. The same key in the same scope is the same order; without a key it is a new one.

    From here on, the card token and the address are sealed.

    `scope` is the way in (an endpoint, a topic, Celery), so that equal keys of two ways in are two orders.
    """
    order_id = new_order_id() if key is None else order_id_from_key(scope, key)
    request = sealed_request(body.to_request(order_id), seals)
    return PlaceOrder(request=request, style=style, fingerprint=fingerprint_of(body))


def fingerprint_of(body: BaseModel) -> str:
    """Return a digest that tells a repeated request from a reused key. Spacing and field order do not matter."""
    canonical = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
