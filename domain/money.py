"""Money: integer minor units and an ISO 4217 code, so that sums need no rounding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from domain.errors import InvalidMoney

_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
        COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR
        ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
        MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
        SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER
        ZAR ZMW ZWG
    """,
}
MINOR_UNIT_DIGITS: Mapping[str, int] = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}
"""The active codes of ISO 4217, without funds and metals, and how many decimal digits their minor unit has.

Browsers and locale libraries have other numbers, which are for display: fewer for HUF, COP, IQD and more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """`amount` is in minor units (cents of USD, yen of JPY) and never negative."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in MINOR_UNIT_DIGITS:
            raise InvalidMoney(f"{self.currency!r} is not an ISO 4217 currency code")
        if self.amount < 0:
            raise InvalidMoney(f"an amount of money must not be negative: {self.amount}")

    def __add__(self, other: Self) -> "Money":
        if other.currency != self.currency:
            raise InvalidMoney(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(amount=self.amount * quantity, currency=self.currency)

    def __str__(self) -> str:
        digits = MINOR_UNIT_DIGITS[self.currency]
        whole, minor = divmod(self.amount, 10**digits)
        return f"{whole}.{minor:0{digits}} {self.currency}" if digits else f"{whole} {self.currency}"
