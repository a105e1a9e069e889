"""What the page offers to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from choreography.routing import ROUTING, tag_of
from domain.order import STEPS, Step
from services.intake.fields import CardToken, StatusName
from services.shipping.service import UNDELIVERABLE_POSTAL_CODE


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoProduct:
    """A product that the page stocks before it is first ordered. `price` is in cents of BRL."""

    sku: str
    name: str
    price: int
    on_hand: int


PRODUCTS = (
    DemoProduct(sku="PAGE-COFFEE", name="Coffee, 1 kg", price=3_490, on_hand=100_000),
    DemoProduct(sku="PAGE-MUG", name="Mug", price=1_250, on_hand=100_000),
    DemoProduct(sku="PAGE-GRINDER", name="Grinder, sold out", price=18_900, on_hand=0),
)

CARDS: Mapping[CardToken, str] = {
    "tok_visa": "is charged",
    "tok_chargeDeclined": "is declined",
    "tok_insufficientFunds": "has too little money",
    "tok_gatewayFlaky": "faults twice, then is charged",
    "tok_chargedThenTimeout": "is charged, and the answer is lost",
    "tok_refundFlaky": "is charged; a refund faults twice",
    "tok_refundFails": "is charged; a refund faults until an operator retries",
}

STYLES = {
    "orchestrated": "One workflow tells each service what to do, and undoes in reverse order.",
    "choreographed": "Nobody is in charge: each service reacts to the events of the others.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    name: Step
    words: str
    compensation: bool


def step_rows() -> Sequence[StepRow]:
    return [
        StepRow(name=step, words=step.replace("_", " ").capitalize(), compensation=step not in STEPS) for step in Step
    ]


def statuses() -> Sequence[str]:
    return get_args(StatusName)


def reactions() -> Mapping[str, Sequence[str]]:
    """Which services react to an event of each type: where its message goes."""
    found: dict[str, list[str]] = {}
    for service, policies in ROUTING.items():
        for event in policies:
            found.setdefault(tag_of(event), []).append(service)
    return found


CHOICES = {
    "products": PRODUCTS,
    "cards": CARDS,
    "styles": STYLES,
    "statuses": statuses(),
    "steps": step_rows(),
    "reactions": reactions(),
    "undeliverable": UNDELIVERABLE_POSTAL_CODE,
}
