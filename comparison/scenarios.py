"""The business scenarios: one order each, and how it must end, whichever style runs it. The tests run these too."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.order import OrderStatus, Reason

Body = dict[str, object]
"""A JSON object as the API takes it."""

PLENTY = 100_000


class Act(StrEnum):
    """What somebody does to the order under way: the customer once the payment is pending, the operator once asked."""

    PAY = "the customer pays"
    CANCEL = "the customer cancels"
    RETRY = "an operator asks for the refund again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`stock` is the pieces on hand of each line's product, in order; None means that the catalogue lacks it."""

    name: str
    says: str
    status: OrderStatus
    reason: Reason | None = None
    token: str = "tok_visa"
    pix: bool = False
    act: Act | None = None
    postal_code: str = "01310-100"
    quantities: tuple[int, ...] = (2,)
    stock: tuple[int | None, ...] = (PLENTY,)

    def products(self, run: str) -> dict[str, Body]:
        """SKU to the body of `PUT /products/{sku}`. `run` keeps the SKUs of one run apart from another's."""
        return {
            self._sku(run, number): {
                "name": f"{self.name} {number}",
                "unit_price": {"amount": 1_250 + number, "currency": "BRL"},
                "on_hand": on_hand,
            }
            for number, on_hand in enumerate(self.stock)
            if on_hand is not None
        }

    def order(self, run: str) -> Body:
        """Body of `POST /order-pairs`; with a `style` it is that of `POST /orders`."""
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
        Scenario(name="ok", says="every step succeeds", status=_CONFIRMED),
        Scenario(
            name="two_lines",
            says="two products in one order",
            status=_CONFIRMED,
            quantities=(1, 3),
            stock=(PLENTY, PLENTY),
        ),
        Scenario(
            name="declined",
            says="the card is declined",
            status=_CANCELLED,
            reason=Reason.PAYMENT_DECLINED,
            token="tok_chargeDeclined",
        ),
        Scenario(
            name="insufficient_funds",
            says="the card has too little money",
            status=_CANCELLED,
            reason=Reason.INSUFFICIENT_FUNDS,
            token="tok_insufficientFunds",
        ),
        Scenario(
            name="unknown_sku",
            says="the catalogue lacks the product",
            status=_CANCELLED,
            reason=Reason.UNKNOWN_SKU,
            stock=(None,),
        ),
        Scenario(
            name="out_of_stock",
            says="the second line is sold out, so the first is not reserved and the charge goes back",
            status=_CANCELLED,
            reason=Reason.OUT_OF_STOCK,
            quantities=(2, 1),
            stock=(PLENTY, 0),
        ),
        Scenario(
            name="undeliverable",
            says="no carrier goes there, so the pieces and the charge go back",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            postal_code="00000",
        ),
        Scenario(
            name="flaky_gateway",
            says="the gateway faults twice, then charges",
            status=_CONFIRMED,
            token="tok_gatewayFlaky",
        ),
        Scenario(
            name="charged_then_timeout",
            says="the charge happens and its answer is lost",
            status=_CONFIRMED,
            token="tok_chargedThenTimeout",
        ),
        Scenario(
            name="flaky_refund",
            says="no carrier goes there, and the refund faults twice before it works",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            token="tok_refundFlaky",
            postal_code="00000",
        ),
    )
}

ATTENDED: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="pix_settled",
            says="the customer pays by pix, in time",
            status=_CONFIRMED,
            pix=True,
            act=Act.PAY,
        ),
        Scenario(
            name="pix_expired",
            says="the customer never pays the pix",
            status=_CANCELLED,
            reason=Reason.PAYMENT_EXPIRED,
            pix=True,
        ),
        Scenario(
            name="cancelled",
            says="the customer cancels while the payment is pending",
            status=_CANCELLED,
            reason=Reason.CANCELLED_BY_CUSTOMER,
            pix=True,
            act=Act.CANCEL,
        ),
        Scenario(
            name="refund_fails",
            says="no carrier goes there, and the refund keeps failing until an operator asks for it again",
            status=_CANCELLED,
            reason=Reason.UNDELIVERABLE_ADDRESS,
            token="tok_refundFails",
            postal_code="00000",
            act=Act.RETRY,
        ),
    )
}
"""Those that need somebody, or a stack whose pix payments expire soon."""
