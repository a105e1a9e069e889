"""Placing an order: what is asked for, and the answer to it."""

import json
from collections import Counter
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from domain.ids import CustomerId, OrderId, Sku
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


class Links(BaseModel):
    """`temporal_ui` shows an orchestrated order's workflow, or a choreographed one's witness if there is one."""

    self: str
    timeline: str
    temporal_ui: str | None


class PlacedOrder(BaseModel):
    """The first answer, and the same again for a repeated call: that the order was taken in."""

    order_id: str
    style: StyleName
    status: Literal["pending"] = "pending"
    links: Links


class PlacedPair(BaseModel):
    orchestrated: PlacedOrder
    choreographed: PlacedOrder


def fingerprint_of(body: BaseModel) -> str:
    """Digest what was asked for. Spacing and the order of the fields make no difference."""
    canonical = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
