"""How the comparison and the bench place orders, against a small HTTP API in this process."""

from collections.abc import Sequence

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from comparison.api_client import DuplicateOrder, ShopClient
from domain.order import SagaStyle

BODY: dict[str, object] = {"customer_id": "Ana"}


class Shop:
    """Answers the calls of `POST /orders` with these statuses, one after the other, then with 202."""

    def __init__(self, *statuses: int, one_order: bool = True) -> None:
        self._statuses = list(statuses)
        self._one_order = one_order
        self.keys: list[str] = []
        self.bodies: list[object] = []
        self.app = FastAPI()
        self.app.post("/orders")(self._place)

    async def _place(self, request: Request) -> JSONResponse:
        self.keys.append(request.headers["Idempotency-Key"])
        self.bodies.append(await request.json())
        status = self._statuses.pop(0) if self._statuses else 202
        return JSONResponse({"order_id": "o-1" if self._one_order else f"o-{len(self.keys)}"}, status)


async def place(shop: Shop, *, orders: int = 1, copies: int = 1) -> Sequence[str]:
    transport = httpx.ASGITransport(shop.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        shop_client = ShopClient(client, retry_pause_s=0.001)
        return [await shop_client.place(BODY, SagaStyle.ORCHESTRATED, copies=copies) for _ in range(orders)]


async def test_each_order_has_an_idempotency_key_of_its_own() -> None:
    shop = Shop()

    assert await place(shop, orders=2) == ["o-1", "o-1"]
    assert len(set(shop.keys)) == 2
    assert shop.bodies == [BODY | {"style": "orchestrated"}] * 2


@pytest.mark.parametrize("status", [409, 503])
async def test_a_call_is_repeated_under_the_same_key_if_it_was_in_flight_or_something_was_away(status: int) -> None:
    shop = Shop(status, status)

    assert await place(shop) == ["o-1"]
    assert len(shop.keys) == 3
    assert len(set(shop.keys)) == 1


@pytest.mark.parametrize("status", [422, 500])
async def test_any_other_refusal_is_an_error_at_once(status: int) -> None:
    shop = Shop(status)

    with pytest.raises(httpx.HTTPStatusError, match=str(status)):
        await place(shop)

    assert len(shop.keys) == 1


async def test_copies_of_a_call_share_one_key() -> None:
    shop = Shop()

    assert await place(shop, copies=3) == ["o-1"]
    assert len(shop.keys) == 3
    assert len(set(shop.keys)) == 1


async def test_copies_that_become_several_orders_are_an_error() -> None:
    with pytest.raises(DuplicateOrder, match="o-1"):
        await place(Shop(one_order=False), copies=2)
