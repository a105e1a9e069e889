"""Products: the Order service stores the price, the Inventory service the stock."""

from typing import Self

from pydantic import BaseModel

from domain.money import Money
from services.intake.fields import Amount, Body, Currency, OnHand, Text


class PriceBody(Body):
    amount: Amount
    currency: Currency

    def to_money(self) -> Money:
        return Money(amount=self.amount, currency=self.currency)


class ProductBody(Body):
    name: Text
    unit_price: PriceBody
    on_hand: OnHand


class MoneyView(BaseModel):
    """`amount` is in minor units, as ISO 4217 counts them: 1250 is 12.50 BRL, 1250 JPY, 1.250 KWD."""

    amount: int
    currency: str

    @classmethod
    def of(cls, money: Money) -> Self:
        return cls(amount=money.amount, currency=money.currency)


class ProductView(BaseModel):
    sku: str
    name: str
    unit_price: MoneyView
    on_hand: int
    reserved: int
    sold: int
