"""The field types of requests, with their limits."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from domain.money import MINOR_UNIT_DIGITS
from messaging.ids import NotAnId, outside_id, refused_characters

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode's `Default_Ignorable_Code_Point` contains beside characters that are not printable; and a blank one."""

_CONTROL = r"\x00-\x1F\x7F-\x9F"
_READABLE = Field(
    json_schema_extra={"minLength": 1, "pattern": rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"},
    description="not blank, without control characters",
)
_SKU_PATTERN = rf"^(?!\.{{1,2}}$)[^\s/{_CONTROL}]([^/{_CONTROL}]*[^\s/{_CONTROL}])?$"


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


def _distinct(sku: str) -> str:
    """Refuse a SKU that can look like another one, or that is no segment of a path: it would be another product."""
    for character in sku:
        if not character.isprintable() or _INVISIBLE.match(character):
            code = f"U+{ord(character):04X}"
            raise PydanticCustomError("invisible", "contains the invisible character {code}", {"code": code})
    if sku != sku.strip():
        raise PydanticCustomError("outer_space", "begins or ends with a space")
    if not unicodedata.is_normalized("NFC", sku):
        raise PydanticCustomError("not_nfc", "is not in Unicode normalization form C (NFC)")
    if "/" in sku or sku in {".", ".."}:
        raise PydanticCustomError(
            "path_segment", "is '.' or '..', or contains a slash: it cannot be part of an address"
        )
    return sku


def _currency(code: str) -> str:
    if code not in MINOR_UNIT_DIGITS:
        raise PydanticCustomError("currency", "is not an ISO 4217 currency code")
    return code


def _instant(at: datetime) -> str:
    # Always with microseconds, so that two instants compare as text.
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


Id = Annotated[str, AfterValidator(_an_id), _READABLE]
Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_readable), _READABLE]
SkuText = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_readable),
    AfterValidator(_distinct),
    Field(
        description="in NFC, without invisible characters", json_schema_extra={"minLength": 1, "pattern": _SKU_PATTERN}
    ),
]
CustomerText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_readable), _READABLE]
PostalCode = Annotated[str, StringConstraints(max_length=20), AfterValidator(_readable), _READABLE]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2", examples=["BR"])
]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    Field(description="ISO 4217", examples=["BRL"], json_schema_extra={"enum": sorted(MINOR_UNIT_DIGITS)}),
]
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
