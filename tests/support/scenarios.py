"""Find the scenario of an example order."""

from collections.abc import Mapping

from comparison.scenarios import SCENARIOS, Body, Scenario
from domain.order import OrderStatus


def scenario_of(order: Body, on_hand: Mapping[str, int]) -> Scenario:
    """Return the scenario of an order, given the pieces on hand by SKU. Reads the order only, not its outcome."""
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
    if refused is not None and refused.status is OrderStatus.CONFIRMED:
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
