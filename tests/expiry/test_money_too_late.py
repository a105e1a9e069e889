"""A pix payment that comes after its expiry, on a stack of its own with an expiry that a test can wait for."""

from functools import partial

import pytest

from comparison.scenarios import SCENARIOS
from services.names import SERVICES
from tests.support.operators import settle
from tests.support.real_servers import given_servers
from tests.support.shop import Shop
from tests.support.stack import Json, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

ENGINES = ("temporal", "kafka", "redis")
ON_ENGINES = ("--only", ",".join((*ENGINES, *SERVICES, "api", "saga-worker", "kafka-bridge")))


def has_payment(shop: Shop, order_id: str, payment: Json) -> bool:
    return bool(shop.order(order_id)["payment"] == payment)


def test_money_that_comes_after_the_expiry_goes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("impatient")
    options = () if given_servers() else ON_ENGINES
    with running_stack(folder, *options, pix_expiry_seconds="1") as stack, stack.client() as client:
        shop = Shop(client)
        order = shop.prepared(SCENARIOS["ok"]) | {"payment": {"method": "pix"}}
        placed = [shop.place(order, style) for style in ("orchestrated", "choreographed")]
        ends = [shop.await_end(order_id) for order_id in placed]
        assert [(end["status"], end["reason"]) for end in ends] == [("cancelled", "payment_expired")] * 2

        for end in ends:
            settle(stack, end["order_id"])

        for end in ends:
            back = {"status": "failed", "captured": end["total"]["amount"], "refunded": end["total"]["amount"]}
            eventually(partial(has_payment, shop, end["order_id"], back), f"it is {back}")
        shop.assert_books_right()
