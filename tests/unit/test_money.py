"""Amounts are written with the digits of ISO 4217."""

import pytest

from domain.money import MINOR_UNIT_DIGITS, Money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123_405, "BRL", "1234.05 BRL"),
        (5, "BRL", "0.05 BRL"),
        (0, "EUR", "0.00 EUR"),
        (123_405, "JPY", "123405 JPY"),
        (123_405, "KWD", "123.405 KWD"),
        # CLDR, the source of a browser's digits, has 0 for these.
        (123_405, "HUF", "1234.05 HUF"),
        (123_405, "COP", "1234.05 COP"),
        (123_405, "IDR", "1234.05 IDR"),
        (123_405, "IQD", "123.405 IQD"),
        (10**18 + 1, "USD", "10000000000000000.01 USD"),
    ],
)
def test_money_is_written_in_major_units(amount: int, currency: str, text: str) -> None:
    assert str(Money(amount=amount, currency=currency)) == text


def test_no_currency_has_two_numbers_of_digits() -> None:
    # From the list of the ISO 4217 maintenance agency, without funds and metals; BGN is still in orders of before 2026.
    counts = {digits: list(MINOR_UNIT_DIGITS.values()).count(digits) for digits in (0, 2, 3)}

    assert counts == {0: 16, 2: 133, 3: 7}
    assert len(MINOR_UNIT_DIGITS) == 156
