"""An order is placed once, or not at all."""

import asyncio

import httpx2 as httpx
import pytest

from adapters.clock import utc_now
from domain.commands import PlaceOrder
from domain.ids import order_id_from_key
from domain.order import SagaStyle
from services.intake.order_body import OrderPairBody
from services.orders.store import UnfinishedOrders
from tests.support.api_bodies import ORDER, PAIR, changed
from tests.support.api_rig import Rig

ORCHESTRATED = ORDER | {"style": "orchestrated"}


async def test_an_accepted_order_can_be_read_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json=ORDER)

    assert answer.status_code == 202
    placed = answer.json()
    assert placed == {
        "order_id": placed["order_id"],
        "style": "choreographed",
        "status": "pending",
        "links": {
            "self": f"/orders/{placed['order_id']}",
            "timeline": f"/orders/{placed['order_id']}/timeline",
            "temporal_ui": None,
        },
    }
    assert answer.headers["Location"] == placed["links"]["self"]
    shown = await client.get(answer.headers["Location"])
    assert (shown.status_code, shown.json()["status"]) == (200, "pending")


async def test_a_choreographed_order_waits_in_the_outbox_and_starts_no_workflow(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]

    assert rig.outbox() == [(order_id, "order.requested")]
    assert rig.starter.started == []


async def test_an_orchestrated_order_starts_its_workflow_and_publishes_nothing(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    placed = (await client.post("/orders", json=ORCHESTRATED)).json()

    assert rig.starter.started == [placed["order_id"]]
    assert rig.outbox() == []
    assert placed["links"]["temporal_ui"] == (
        f"http://temporal.test/namespaces/default/workflows/order-saga%2F{placed['order_id']}"
    )


async def test_a_pair_is_the_same_order_both_ways(rig: Rig, client: httpx.AsyncClient) -> None:
    answer = await client.post("/order-pairs", json=PAIR)

    assert answer.status_code == 202
    pair = answer.json()
    assert [pair[style]["style"] for style in SagaStyle] == list(SagaStyle)
    assert rig.starter.started == [pair["orchestrated"]["order_id"]]
    assert rig.outbox() == [(pair["choreographed"]["order_id"], "order.requested")]


@pytest.mark.parametrize(("path", "body"), [("/orders", ORDER), ("/orders", ORCHESTRATED), ("/order-pairs", PAIR)])
async def test_the_same_key_and_body_get_the_first_answer_again(
    client: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    first, *others = [await client.post(path, json=body, headers={"Idempotency-Key": "once"}) for _ in range(3)]

    assert [(other.status_code, other.content) for other in others] == [(202, first.content)] * 2
    assert [other.headers.get("Location") for other in others] == [first.headers.get("Location")] * 2
    orders = (await client.get("/orders")).json()["items"]
    assert len(orders) == (2 if path == "/order-pairs" else 1)


@pytest.mark.parametrize(("path", "body"), [("/orders", ORDER), ("/orders", ORCHESTRATED), ("/order-pairs", PAIR)])
async def test_the_same_key_with_another_body_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    await client.post(path, json=body, headers={"Idempotency-Key": "once"})

    answer = await client.post(path, json=changed(body, "lines.0.quantity", 3), headers={"Idempotency-Key": "once"})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_of_a_pair_nothing_is_written_when_one_of_them_was_placed_with_another_body(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    taken = PlaceOrder(
        request=OrderPairBody.model_validate(PAIR).to_request(order_id_from_key("pairs/choreographed", "once")),
        style=SagaStyle.CHOREOGRAPHED,
        fingerprint="another body",
    )
    rig.services.orders.place(taken)

    answer = await client.post("/order-pairs", json=PAIR, headers={"Idempotency-Key": "once"})

    assert answer.status_code == 422
    orders = (await client.get("/orders")).json()["items"]
    assert [order["order_id"] for order in orders] == [taken.request.order_id]
    assert rig.starter.started == []


async def test_the_same_key_with_another_style_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/orders", json=ORDER, headers={"Idempotency-Key": "once"})

    answer = await client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"})

    assert answer.status_code == 422


async def test_a_key_of_orders_is_not_a_key_of_pairs(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post(path, json=body, headers={"Idempotency-Key": "once"})
        for path, body in (("/orders", ORDER), ("/order-pairs", PAIR))
    ]

    assert [answer.status_code for answer in answers] == [202, 202]


async def test_the_order_of_the_fields_does_not_change_the_body(client: httpx.AsyncClient) -> None:
    backwards = dict(reversed(ORDER.items()))

    first, again = [
        await client.post("/orders", json=body, headers={"Idempotency-Key": "once"}) for body in (ORDER, backwards)
    ]

    assert first.json() == again.json()


async def test_a_key_is_in_flight_until_its_first_request_is_answered(rig: Rig, client: httpx.AsyncClient) -> None:
    rig.starter.hold()
    first = asyncio.create_task(client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"}))
    await rig.starter.reached()

    meanwhile = await client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"})
    other = client.post("/orders", json=ORDER, headers={"Idempotency-Key": "another"})

    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (409, "1")
    assert (await other).status_code == 202
    rig.starter.release()
    assert (await first).status_code == 202
    again = await client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"})
    assert again.json() == (await first).json()


async def test_many_calls_with_one_key_at_once_are_one_order_though_redis_is_away(rig: Rig) -> None:
    rig.without_guard()

    async with rig.client() as client:
        answers = await asyncio.gather(
            *(client.post("/orders", json=ORDER, headers={"Idempotency-Key": "once"}) for _ in range(8))
        )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    assert len(rig.outbox()) == 1


async def test_a_write_that_collides_with_the_same_call_finds_the_order_that_this_one_made(rig: Rig) -> None:
    rig.collide()

    async with rig.client() as client:
        answer = await client.post("/orders", json=ORDER)

    assert answer.status_code == 202
    assert rig.outbox() == [(answer.json()["order_id"], "order.requested")]


@pytest.mark.parametrize(("path", "body"), [("/orders", ORCHESTRATED), ("/order-pairs", PAIR)])
async def test_temporal_away_is_a_503_and_nothing_is_written(
    rig: Rig, client: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    rig.starter.away = True

    answer = await client.post(path, json=body, headers={"Idempotency-Key": "once"})

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get("/orders")).json()["items"] == []
    assert rig.outbox() == []
    rig.starter.away = False
    assert (await client.post(path, json=body, headers={"Idempotency-Key": "once"})).status_code == 202


async def test_a_choreographed_order_does_not_need_temporal(rig: Rig, client: httpx.AsyncClient) -> None:
    rig.starter.away = True

    assert (await client.post("/orders", json=ORDER)).status_code == 202


@pytest.mark.parametrize(
    ("path", "body", "transactions", "checks"),
    [
        ("/orders", ORDER, ["write"], 0),
        ("/orders", ORCHESTRATED, ["look", "write"], 1),
        ("/order-pairs", PAIR, ["look", "look", "write", "write"], 1),
    ],
)
async def test_placing_makes_no_unnecessary_query_or_check(
    rig: Rig, client: httpx.AsyncClient, *, path: str, body: dict[str, object], transactions: list[str], checks: int
) -> None:
    with rig.transactions() as begun:
        answer = await client.post(path, json=body)

    assert answer.status_code == 202
    assert (begun, rig.starter.checks) == (transactions, checks)


async def test_an_order_that_is_in_gets_its_answer_again_while_temporal_is_away(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    first = await client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"})
    rig.starter.away = True

    again = await client.post("/orders", json=ORCHESTRATED, headers={"Idempotency-Key": "once"})

    assert (again.status_code, again.json()) == (202, first.json())


async def test_a_start_that_fails_after_the_write_is_still_accepted(rig: Rig, client: httpx.AsyncClient) -> None:
    rig.starter.fails_to_start = True

    answer = await client.post("/orders", json=ORCHESTRATED)

    assert answer.status_code == 202
    (left,) = rig.services.orders.unfinished(
        UnfinishedOrders(style=SagaStyle.ORCHESTRATED, placed_before=utc_now(), limit=10)
    )
    assert left.request.order_id == answer.json()["order_id"]
    assert (await client.get(answer.headers["Location"])).json()["status"] == "pending"


async def test_the_database_away_is_a_503(rig: Rig, client: httpx.AsyncClient) -> None:
    rig.lose_databases()

    answer = await client.post("/orders", json=ORDER)

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
