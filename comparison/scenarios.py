"""The business scenarios: an order each, and how it must end in either style. The tests use them too."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from domain.order import OrderStatus, Reason

Body = dict[str, object]
"""The JSON object of an API request."""

PLENTY = 100_000


class Act(StrEnum):
    """The customer's action while the payment is pending, or the operator's when the order needs attention."""

    PAY = "the customer pays"
    CANCEL = "the customer cancels"
    RETRY = "an operator retries the refund"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`stock` has the pieces on hand of each line's product, in the order of the lines; None: not in the catalogue."""

    name: str
    description: str
    status: OrderStatus
    reason: Reason | None = None
    _: KW_ONLY
    token: str = "tok_visa"
    pix: bool = False
    act: Act | None = None
    postal_code: str = "01310-100"
    quantities: tuple[int, ...] = (2,)
    stock: tuple[int | None, ...] = (PLENTY,)

    def products(self, run: str) -> dict[str, Body]:
        """Return SKU -> body of `PUT /products/{sku}`. `run` is part of each SKU, so that runs do not share stock."""
        return {
            self._sku(run, number): {
                "name": f"{self.name} {number}",
                # Different prices, so that mixed-up lines would show in the total.
                "unit_price": {"amount": 1_250 + number, "currency": "BRL"},
                "on_hand": on_hand,
            }
            for number, on_hand in enumerate(self.stock)
            if on_hand is not None
        }

    def order(self, run: str) -> Body:
        """Return the body of `POST /order-pairs`; add a `style` for `POST /orders`."""
        return {
            "customer_id": f"customer-{run}",
            "lines": [
                {"sku": self._sku(run, number), "quantity": quantity} for number, quantity in enumerate(self.quantities)
            ],
            "payment": {"method": "pix"} if self.pix else {"method": "card", "token": self.token},
            "shipping_address": {
                "recipient": "Ana Souza",
                "street": "Avenida Paulista 1000",
                "city": "Sao Paulo",
                "postal_code": self.postal_code,
                "country": "BR",
            },
        }

    def _sku(self, run: str, number: int) -> str:
        return f"{self.name}-{run}-{number}".upper().replace("_", "-")


_CONFIRMED, _CANCELLED = OrderStatus.CONFIRMED, OrderStatus.CANCELLED


def _by_name(*scenarios: Scenario) -> Mapping[str, Scenario]:
    return {scenario.name: scenario for scenario in scenarios}


SCENARIOS = _by_name(
    Scenario("ok", "every step succeeds", _CONFIRMED),
    Scenario("two_lines", "two products in one order", _CONFIRMED, quantities=(1, 3), stock=(PLENTY, PLENTY)),
    Scenario("declined", "the card is declined", _CANCELLED, Reason.PAYMENT_DECLINED, token="tok_chargeDeclined"),
    Scenario(
        "insufficient_funds",
        "the card has too little money",
        _CANCELLED,
        Reason.INSUFFICIENT_FUNDS,
        token="tok_insufficientFunds",
    ),
    Scenario("unknown_sku", "the product is not in the catalogue", _CANCELLED, Reason.UNKNOWN_SKU, stock=(None,)),
    Scenario(
        "out_of_stock",
        "the second line is sold out, so nothing is reserved and the charge is refunded",
        _CANCELLED,
        Reason.OUT_OF_STOCK,
        quantities=(2, 1),
        stock=(PLENTY, 0),
    ),
    Scenario(
        "undeliverable",
        "no carrier delivers there, so the pieces are released and the charge is refunded",
        _CANCELLED,
        Reason.UNDELIVERABLE_ADDRESS,
        postal_code="00000",
    ),
    Scenario("flaky_gateway", "the gateway faults twice, then charges", _CONFIRMED, token="tok_gatewayFlaky"),
    Scenario(
        "charged_then_timeout",
        "the charge succeeds, but its answer is lost",
        _CONFIRMED,
        token="tok_chargedThenTimeout",
    ),
    Scenario(
        "flaky_refund",
        "no carrier delivers there, and the refund faults twice before it succeeds",
        _CANCELLED,
        Reason.UNDELIVERABLE_ADDRESS,
        token="tok_refundFlaky",
        postal_code="00000",
    ),
)

WAITING_SCENARIOS = _by_name(
    Scenario("pix_settled", "the customer pays by pix, in time", _CONFIRMED, pix=True, act=Act.PAY),
    Scenario("pix_expired", "the customer never pays the pix", _CANCELLED, Reason.PAYMENT_EXPIRED, pix=True),
    Scenario(
        "cancelled",
        "the customer cancels while the payment is pending",
        _CANCELLED,
        Reason.CANCELLED_BY_CUSTOMER,
        pix=True,
        act=Act.CANCEL,
    ),
    Scenario(
        "refund_fails",
        "no carrier delivers there, and the refund keeps failing until an operator retries it",
        _CANCELLED,
        Reason.UNDELIVERABLE_ADDRESS,
        token="tok_refundFails",
        postal_code="00000",
        act=Act.RETRY,
    ),
)
"""Scenarios that wait for an act, or for the expiry of a pix payment."""
