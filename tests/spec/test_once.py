"""What is asked twice happens once, and no more is sold than there is."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from comparison.scenarios import SCENARIOS
from tests.support.shop import Shop
from tests.support.waiting import eventually


def test_the_same_key_and_body_is_the_same_order(shop: Shop, style: str) -> None:
    order, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex

    first, second = shop.place(order, style, key), shop.place(order, style, key)

    assert first == second
    end = shop.await_end(first)
    assert end["payment"]["captured"] == end["total"]["amount"]
    assert shop.place(order, style, key) == first


def test_the_same_key_with_another_body_is_refused(shop: Shop, style: str) -> None:
    order, key = shop.prepared(SCENARIOS["ok"]), uuid4().hex
    shop.await_end(shop.place(order, style, key))

    answer = shop.client.post(
        "/orders",
        json=order | {"style": style, "customer_id": "somebody-else"},
        headers={"Idempotency-Key": key},
    )

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_an_order_is_there_right_after_it_was_accepted(shop: Shop, style: str) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), style)

    assert shop.order(order_id)["status"] in {"pending", "confirmed"}
    shop.await_end(order_id)


def test_more_orders_than_stock_never_oversell(shop: Shop, style: str) -> None:
    order = shop.prepared(SCENARIOS["ok"])
    (line,) = order["lines"]
    shop.client.put(
        f"/products/{line['sku']}",
        json={"name": "scarce", "unit_price": {"amount": 900, "currency": "BRL"}, "on_hand": 10},
    ).raise_for_status()

    with ThreadPoolExecutor(8) as customers:
        ids = list(customers.map(lambda _: shop.place(order, style), range(12)))
    ends = [shop.await_end(order_id) for order_id in ids]

    confirmed = [end for end in ends if end["status"] == "confirmed"]
    assert len(confirmed) == 5  # two pieces an order
    assert {end["reason"] for end in ends if end["status"] == "cancelled"} == {"out_of_stock"}
    eventually(lambda: shop.product(line["sku"])["sold"] == 10, "ten pieces count as sold")
    left = shop.product(line["sku"])
    assert (left["on_hand"], left["reserved"]) == (0, 0)


def test_a_long_list_is_paged_without_gap_or_repetition(shop: Shop, style: str) -> None:
    order = shop.prepared(SCENARIOS["declined"])
    placed = {shop.place(order, style) for _ in range(5)}
    for order_id in placed:
        shop.await_end(order_id)

    seen: list[str] = []
    cursor = ""
    while not placed <= set(seen) and len(seen) < 1_000:
        page = shop.client.get(
            "/orders", params={"style": style, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        )
        page.raise_for_status()
        seen += [shown["order_id"] for shown in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        assert cursor or placed <= set(seen)

    assert len(seen) == len(set(seen))
