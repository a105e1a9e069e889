"""The field types of requests, with their limits."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from domain.ids import NotAnId, outside_id, refused_characters
from domain.money import CURRENCIES


class Body(BaseModel):
    """A request body: no unknown fields, no type coercion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _readable(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is blank")
    if refused_characters(text):
        raise PydanticCustomError("control_character", "contains a control character")
    return text


def _an_id(text: str) -> str:
    try:
        return outside_id(text, "it")
    except NotAnId as reason:
        raise PydanticCustomError("id", "{reason}", {"reason": str(reason)}) from None


def _without_slash(sku: str) -> str:
    if "/" in sku:
        raise PydanticCustomError("slash", "contains a slash, which a path segment cannot")
    return sku


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise PydanticCustomError("currency", "is not an ISO 4217 currency code")
    return code


def _instant(at: datetime) -> str:
    # Always with microseconds, so that two instants compare as text.
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


Id = Annotated[str, AfterValidator(_an_id)]
Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_readable)]
SkuText = Annotated[str, StringConstraints(max_length=64), AfterValidator(_readable), AfterValidator(_without_slash)]
CustomerText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_readable)]
PostalCode = Annotated[str, StringConstraints(max_length=20), AfterValidator(_readable)]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2", examples=["BR"])
]
Currency = Annotated[str, AfterValidator(_currency), Field(description="ISO 4217", examples=["BRL"])]
Amount = Annotated[int, Field(ge=0, le=10**12, description="minor units: cents of BRL, yen of JPY", examples=[1250])]
Quantity = Annotated[int, Field(ge=1, le=10_000)]
OnHand = Annotated[int, Field(ge=0, le=10**9)]
StyleName = Literal["orchestrated", "choreographed"]
StatusName = Literal["pending", "confirmed", "cancelled", "needs_attention"]
CardToken = Literal[
    "tok_visa",
    "tok_chargeDeclined",
    "tok_insufficientFunds",
    "tok_gatewayFlaky",
    "tok_chargedThenTimeout",
    "tok_refundFlaky",
    "tok_refundFails",
]
Instant = Annotated[datetime, PlainSerializer(_instant, return_type=str)]
