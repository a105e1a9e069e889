"""Engines of the embedded stack are killed while orders run, and every order still ends."""

import pytest

from comparison.scenarios import SCENARIOS
from tests.support.shop import Shop
from tests.support.stack import Stack

pytestmark = pytest.mark.long


@pytest.mark.embedded("kills an embedded engine; tests/real/test_servers_die.py kills the real ones")
@pytest.mark.parametrize("engine", ["kafka", "redis", "temporal"])
def test_every_order_ends_although_an_engine_was_killed(shop: Shop, stack: Stack, engine: str) -> None:
    names = ("ok", "declined", "undeliverable", "flaky_gateway")
    placed = [
        (scenario, shop.place(shop.prepared(scenario), style))
        for _ in range(3)
        for scenario in (SCENARIOS[name] for name in names)
        for style in ("orchestrated", "choreographed")
    ]

    stack.kill(engine)

    for scenario, order_id in placed:
        end = shop.await_end(order_id, 90.0)
        assert (end["status"], end["reason"]) == (scenario.status, scenario.reason)
