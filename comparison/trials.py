"""Everything that `twinsaga compare` can play, by name: how an order ends, what breaks, how much comes at once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from comparison.faults import (
    Fault,
    duplicate_storm,
    engine_killed,
    gateway_silent,
    killed_before_creating,
    killed_while,
    killed_while_confirming,
    payments_frozen,
)
from comparison.scenarios import ATTENDED, SCENARIOS, Scenario
from domain.order import OrderStatus, Reason, Step

Outcome = tuple[str, str | None]
"""Status and reason."""


class Kind(StrEnum):
    BUSINESS = "business"
    FAULT = "fault"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scenario, played by a block of orders at a time.

    `orders` a block, where the trial decides it and not the caller. `together`: all at once; one after the other
    otherwise. `enough_for`: so many orders find stock, the others are sold out.
    """

    name: str
    says: str
    kind: Kind
    scenario: Scenario
    orders: int | None = None
    together: bool = False
    fault: Fault | None = None
    enough_for: int | None = None

    def expected(self, orders: int) -> Counter[Outcome]:
        """How a block of so many orders must end. Which of them find stock is nobody's to say."""
        if self.enough_for is None or orders <= self.enough_for:
            return Counter({(self.scenario.status.value, self.scenario.reason): orders})
        confirmed, refused = self.enough_for, orders - self.enough_for
        return Counter(
            {
                (OrderStatus.CONFIRMED.value, None): confirmed,
                (OrderStatus.CANCELLED.value, Reason.OUT_OF_STOCK): refused,
            }
        )


def _business(scenario: Scenario) -> Trial:
    return Trial(name=scenario.name, says=scenario.says, kind=Kind.BUSINESS, scenario=scenario)


def _attended(scenario: Scenario) -> Trial:
    """These spend their time waiting, which a few of them can do together."""
    return replace(_business(scenario), orders=5, together=True)


def _fault(name: str, says: str, fault: Fault, orders: int = 4) -> Trial:
    return Trial(
        name=name, says=says, kind=Kind.FAULT, scenario=SCENARIOS["ok"], orders=orders, together=True, fault=fault
    )


def _load(orders: int) -> Trial:
    says = f"{orders} orders at once" if orders > 1 else "one order alone"
    return Trial(
        name=f"load_{orders}", says=says, kind=Kind.LOAD, scenario=SCENARIOS["ok"], orders=orders, together=True
    )


_SCARCE = Trial(
    name="scarce",
    says="24 orders at once of two pieces each, and 20 pieces",
    kind=Kind.LOAD,
    scenario=replace(SCENARIOS["ok"], name="scarce", stock=(20,)),
    orders=24,
    together=True,
    enough_for=10,
)

TRIALS: Mapping[str, Trial] = {
    trial.name: trial
    for trial in (
        *map(_business, SCENARIOS.values()),
        *map(_attended, ATTENDED.values()),
        _fault("gateway_silent", "the payment gateway takes calls and answers none for 10 s", gateway_silent),
        _fault("payments_frozen", "whoever charges cards is stopped for 10 s, and goes on", payments_frozen),
        _fault("killed_creating", "whoever creates the orders is killed", killed_before_creating),
        _fault(
            "killed_charging",
            "whoever charges is killed while the gateway has the call",
            killed_while(Step.CHARGE_PAYMENT, database="gateway", after="order.created"),
        ),
        _fault(
            "killed_reserving",
            "whoever reserves pieces is killed in the middle of it",
            killed_while(Step.RESERVE_INVENTORY, database="inventory", after="payment.completed"),
        ),
        _fault(
            "killed_shipping",
            "whoever schedules shipping is killed in the middle of it",
            killed_while(Step.SCHEDULE_SHIPPING, database="shipping", after="inventory.reserved"),
        ),
        _fault("killed_confirming", "whoever confirms is killed in the middle of it", killed_while_confirming),
        _fault("kafka_killed", "the broker is killed while orders are being charged", engine_killed("kafka")),
        _fault("temporal_killed", "Temporal is killed while orders are being charged", engine_killed("temporal")),
        _fault(
            "duplicates",
            "each call comes five times, and each event or start of a saga twice more",
            duplicate_storm,
            orders=8,
        ),
        *map(_load, (1, 16, 64)),
        _SCARCE,
    )
}

SHORT = ("ok", "undeliverable", "charged_then_timeout", "killed_charging", "load_16", "scarce")
"""What `twinsaga demo` plays."""
