"""The trials of `twinsaga compare`, by name: how orders end, what happens in a fault, many orders at once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from enum import StrEnum

from comparison.faults import (
    Fault,
    duplicate_storm,
    gateway_silent,
    killed_before_creating,
    killed_during,
    killed_while_confirming,
    payments_frozen,
)
from comparison.scenarios import SCENARIOS, WAITING_SCENARIOS, Scenario
from domain.order import OrderStatus, Reason, Step

Outcome = tuple[str, str | None]
"""Status and reason."""


class Kind(StrEnum):
    BUSINESS = "business"
    FAULT = "fault"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Trial:
    """One scenario, played with a block of equal orders.

    Attributes:
        orders: per block. None leaves the number to the caller.
        concurrent: place all orders of a block at once, instead of each after the end of the one before.
        fault: what breaks during the orders.
        stock_for: number of orders for which there is stock; None for all.
    """

    name: str
    description: str
    kind: Kind
    scenario: Scenario
    _: KW_ONLY
    orders: int | None = None
    concurrent: bool = False
    fault: Fault | None = None
    stock_for: int | None = None

    def expected(self, orders: int) -> Counter[Outcome]:
        """Return how a block of this size must end. Which of its orders get the stock is not defined."""
        if self.stock_for is None or orders <= self.stock_for:
            return Counter({(self.scenario.status.value, self.scenario.reason): orders})
        confirmed, refused = (OrderStatus.CONFIRMED.value, None), (OrderStatus.CANCELLED.value, Reason.OUT_OF_STOCK)
        return Counter({confirmed: self.stock_for, refused: orders - self.stock_for})


def _business(scenario: Scenario) -> Trial:
    return Trial(scenario.name, scenario.description, Kind.BUSINESS, scenario)


def _waiting(scenario: Scenario) -> Trial:
    # These orders mostly wait, so a few of them run at the same time.
    return replace(_business(scenario), orders=5, concurrent=True)


def _fault(name: str, description: str, fault: Fault, orders: int = 4) -> Trial:
    return Trial(name, description, Kind.FAULT, SCENARIOS["ok"], orders=orders, concurrent=True, fault=fault)


def _killed(name: str, victim: str, meanwhile: str, step: Step, engine: str | None = None) -> Trial:
    return _fault(name, f"{victim} is killed while {meanwhile}", killed_during(step, engine))


def _load(orders: int) -> Trial:
    description = f"{orders} orders at once" if orders > 1 else "one order alone"
    return Trial(f"load_{orders}", description, Kind.LOAD, SCENARIOS["ok"], orders=orders, concurrent=True)


_SCARCE = Trial(
    "scarce",
    "24 orders at once of two pieces each, with 20 pieces in stock",
    Kind.LOAD,
    replace(SCENARIOS["ok"], name="scarce", stock=(20,)),
    orders=24,
    concurrent=True,
    stock_for=10,
)

TRIALS: Mapping[str, Trial] = {
    trial.name: trial
    for trial in (
        *map(_business, SCENARIOS.values()),
        *map(_waiting, WAITING_SCENARIOS.values()),
        _fault("gateway_silent", "the payment gateway accepts calls and does not answer for 10 s", gateway_silent),
        _fault("payments_frozen", "the process that charges cards is suspended for 10 s", payments_frozen),
        _fault("killed_creating", "the process that creates orders is killed", killed_before_creating),
        _killed("killed_charging", "the process that charges cards", "it waits for the gateway", Step.CHARGE_PAYMENT),
        _killed(
            "killed_reserving", "the process that reserves pieces", "it writes the reservation", Step.RESERVE_INVENTORY
        ),
        _killed(
            "killed_shipping", "the process that schedules shipping", "it writes the shipment", Step.SCHEDULE_SHIPPING
        ),
        _fault(
            "killed_confirming",
            "the process that confirms orders is killed while it writes the confirmation",
            killed_while_confirming,
        ),
        _killed("kafka_killed", "the broker", "orders are being charged", Step.CHARGE_PAYMENT, engine="kafka"),
        _killed("temporal_killed", "Temporal", "orders are being charged", Step.CHARGE_PAYMENT, engine="temporal"),
        _fault(
            "duplicates",
            "each call is sent five times, and each event or start of a saga is delivered twice more",
            duplicate_storm,
            orders=8,
        ),
        *map(_load, (1, 16, 64)),
        _SCARCE,
    )
}

SHORT = ("ok", "undeliverable", "charged_then_timeout", "killed_charging", "load_16", "scarce")
"""The trials of `twinsaga demo`."""
