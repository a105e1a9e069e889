"""Five hundred orders, a third of their events twice and in another order, one consumer killed ten times."""

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from comparison.scenarios import SCENARIOS, Scenario
from tests.chaos.duplicator import Duplicator
from tests.chaos.proxied_stack import EVERYTHING_BUT_KAFKA
from tests.support.service_processes import ServiceProcesses
from tests.support.shop import FINISHED, Shop
from tests.support.stack import Json, Stack, running_stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.embedded("plays on an embedded stack of its own")]

SEED: int | None = None  # the number that a failed run printed makes the same choices again
KILLS = 10
ORDERS_A_ROUND = 50
BOTH_STYLES_A_ROUND = 6
SHARE_OF_DUPLICATES = 0.3
SESSION_TIMEOUT_MS = "2000"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    only = f"kafka,{EVERYTHING_BUT_KAFKA}"
    with running_stack(tmp_path, "--only", only, session_timeout_ms=SESSION_TIMEOUT_MS) as stack:
        yield stack


@contextmanager
def duplicating(stack: Stack, choose: random.Random) -> Iterator[Duplicator]:
    duplicator = Duplicator(stack.ready["kafka"], choose, SHARE_OF_DUPLICATES)
    thread = threading.Thread(target=duplicator.run)
    thread.start()
    try:
        yield duplicator
    finally:
        duplicator.stop()
        thread.join(60)


def test_outcomes_and_books_are_those_of_the_orchestrated_orders(stack: Stack, tmp_path: Path) -> None:
    seed = SEED if SEED is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it where the test fails
    choose = random.Random(seed)  # noqa: S311 - a test's choice
    settings = {"data_dir": str(stack.data), "session_timeout_ms": SESSION_TIMEOUT_MS}
    settings |= {"kafka_bootstrap": stack.ready["kafka"], "installation": stack.ready["installation"]}
    members = ServiceProcesses(tmp_path, settings)
    placed: list[tuple[Scenario, list[str]]] = []

    with stack.client() as client, duplicating(stack, choose) as duplicator:
        shop = Shop(client)
        bodies = {name: shop.prepared(scenario) for name, scenario in SCENARIOS.items()}
        try:
            for _ in range(KILLS):
                victim = members.start("payment-service")
                victim.await_joined()
                round_of_orders = place(shop, bodies, choose)
                await_some_end(shop, round_of_orders)
                victim.kill()
                placed += round_of_orders
        finally:
            members.close()
        ends = [(scenario, [shop.await_end(order_id, 90.0) for order_id in ids]) for scenario, ids in placed]
        duplicator.stop()

        for scenario, styles in ends:
            found = {(end["style"], end["status"], end["reason"]) for end in styles}
            assert found == {(end["style"], scenario.status, scenario.reason) for end in styles}, f"seed {seed}"
        shop.assert_books_right()

    assert sum("choreographed" in {end["style"] for end in styles} for _, styles in ends) == KILLS * ORDERS_A_ROUND
    assert sum(len(styles) == 2 for _, styles in ends) == KILLS * BOTH_STYLES_A_ROUND
    assert duplicator.duplicates > 0.8 * SHARE_OF_DUPLICATES * duplicator.originals > 0


def place(shop: Shop, bodies: Mapping[str, Json], choose: random.Random) -> list[tuple[Scenario, list[str]]]:
    """Place a round of orders; a few of them in both styles."""
    names = choose.choices(list(bodies), k=ORDERS_A_ROUND)
    styles = [
        ("choreographed", "orchestrated") if number < BOTH_STYLES_A_ROUND else ("choreographed",)
        for number in range(ORDERS_A_ROUND)
    ]

    def place_one(name: str, styles: Sequence[str]) -> tuple[Scenario, list[str]]:
        return SCENARIOS[name], [shop.place(bodies[name], style) for style in styles]

    with ThreadPoolExecutor(4) as customers:
        return list(customers.map(place_one, names, styles))


def await_some_end(shop: Shop, orders: Sequence[tuple[Scenario, list[str]]]) -> None:
    """Progress is demanded of each round, while others of its orders are under way."""
    some = [ids[0] for _, ids in orders[:5]]
    for order_id in some:
        eventually(partial(_finished, shop, order_id), f"order {order_id} is finished", 60.0, every_s=0.05)


def _finished(shop: Shop, order_id: str) -> bool:
    return shop.order(order_id)["status"] in FINISHED
