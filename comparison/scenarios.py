"""The business scenarios: an order each, and how it must end in either style. The tests use them too."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.order import OrderStatus, Reason

Body = dict[str, object]
"""The JSON object of an API request."""

PLENTY = 100_000


class Act(StrEnum):
    """What a customer does while the payment is pending, or an operator when the order needs attention."""

    PAY = "the customer pays"
    CANCEL = "the customer cancels"
    RETRY = "an operator retries the refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`stock` has the pieces on hand of each line's product, in the order of the lines; None: not in the catalogue."""

    name: str
    description: str
    status: OrderStatus
    reason: Reason | None = None
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


_CONFIRMED = OrderStatus.CONFIRMED
_CANCELLED = OrderStatus.CANCELLED

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="ok", description="every step succeeds", status=_CONFIRMED),
        Scenario(
            name="two_lines",
            description="two products in one order",
            status=_CONFIRMED,
            quantities=(1, 3),
            stock=(PLENTY, PLENTY),
        ),
        Scenario(
            name="declined",
            description="the card is declined",
            status=_CANCELLED,
            reason=Reason.PAYMENT_DECLINED,
            token="tok_chargeDeclined",
        ),
        Scenario(
            name="insufficient_funds",
            description="the card has too little money",
            status=_CANCELLED,
            reason=Reason.INSUFFICIENT_FUNDS,
            token="tok_insufficientFunds",
        ),
        Scenario(
            name="unknown_sku",
            description="the product is not in the catalogue",
            status=_CANCELLED,
            reason=Reason.UNKNOWN_SKU,
            stock=(None,),
        ),
        Scenario(
            name="out_of_stock",
            description="the second line is sold out, so nothing is reserved and the charge is refunded",
            status=_CANCELLED,
            reason=Reason.OUT_OF_STOCK,
            quantities=(2, 1),
            stock=(PLENTY, 0),
        ),
        Scenario(
            name="undeliverable",
            description="no carrier delivers there, so the pieces are released and the charge is refunded",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            postal_code="00000",
        ),
        Scenario(
            name="flaky_gateway",
            description="the gateway faults twice, then charges",
            status=_CONFIRMED,
            token="tok_gatewayFlaky",
        ),
        Scenario(
            name="charged_then_timeout",
            description="the charge succeeds, but its answer is lost",
            status=_CONFIRMED,
            token="tok_chargedThenTimeout",
        ),
        Scenario(
            name="flaky_refund",
            description="no carrier delivers there, and the refund faults twice before it succeeds",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            token="tok_refundFlaky",
            postal_code="00000",
        ),
    )
}

WAITING_SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="pix_settled",
            description="the customer pays by pix, in time",
            status=_CONFIRMED,
            pix=True,
            act=Act.PAY,
        ),
        Scenario(
            name="pix_expired",
            description="the customer never pays the pix",
            status=_CANCELLED,
            reason=Reason.PAYMENT_EXPIRED,
            pix=True,
        ),
        Scenario(
            name="cancelled",
            description="the customer cancels while the payment is pending",
            status=_CANCELLED,
            reason=Reason.CANCELLED_BY_CUSTOMER,
            pix=True,
            act=Act.CANCEL,
        ),
        Scenario(
            name="refund_fails",
            description="no carrier delivers there, and the refund keeps failing until an operator retries it",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            token="tok_refundFails",
            postal_code="00000",
            act=Act.RETRY,
        ),
    )
}
"""Scenarios that wait for an act, or for the expiry of a pix payment."""
