"""The business scenarios: one order each, and how it must end, whichever style runs it. The tests run these too."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.order import OrderStatus, Reason

Body = dict[str, object]
"""A JSON object as the API takes it."""

PLENTY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`stock` is the pieces on hand of each line's product, in order; None means that the catalogue lacks it."""

    name: str
    says: str
    status: OrderStatus
    reason: Reason | None = None
    token: str = "tok_visa"
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
            "payment": {"method": "card", "token": self.token},
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


def scenario_of(order: Body, on_hand: Mapping[str, int]) -> Scenario:
    """The scenario that an order plays, given the pieces on hand by SKU. It reads the order, never an outcome."""
    lines = _objects(order["lines"])
    if any(line["sku"] not in on_hand for line in lines):
        return SCENARIOS["unknown_sku"]
    by_token = {scenario.token: scenario for scenario in SCENARIOS.values() if scenario.token != SCENARIOS["ok"].token}
    token = _object(order["payment"]).get("token")
    refused = by_token.get(str(token))
    if refused is not None and refused.name in {"declined", "insufficient_funds"}:
        return refused
    if any(on_hand[str(line["sku"])] == 0 for line in lines):
        return SCENARIOS["out_of_stock"]
    if _object(order["shipping_address"])["postal_code"] == SCENARIOS["undeliverable"].postal_code:
        return SCENARIOS["flaky_refund"] if token == SCENARIOS["flaky_refund"].token else SCENARIOS["undeliverable"]
    if refused is not None and refused.status is _CONFIRMED:
        return refused
    return SCENARIOS["two_lines"] if len(lines) > 1 else SCENARIOS["ok"]


def _object(value: object) -> Body:
    if not isinstance(value, dict):
        msg = f"not a JSON object: {value!r}"
        raise TypeError(msg)
    return value


def _objects(value: object) -> list[Body]:
    if not isinstance(value, list):
        msg = f"not a JSON array: {value!r}"
        raise TypeError(msg)
    return [_object(item) for item in value]
