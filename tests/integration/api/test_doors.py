"""Every route of the OpenAPI document, for callers with no key, a wrong, a revoked and a foreign one.

The routes and their roles are read from the document, so that a new route is tested without a change here.
"""

from collections.abc import Iterator
from dataclasses import replace
from inspect import getsource
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from fastapi import APIRouter

from adapters.clock import utc_now
from api.app import create_app
from api.guarded_routes import GuardedRoute
from services.access.keys import NewKey, Role
from services.estate.records import User
from tests.integration.api.test_page import Neighbours
from tests.support.api_bodies import ORDER, PAIR, Json
from tests.support.api_rig import Rig

PUBLIC = {("GET", "/healthz"), ("GET", "/readyz")}
SIGNED = {("POST", "/webhooks/payments")}
OPEN_PAGES = ["/", "/docs", "/metrics", "/openapi.json", "/static/page.js", "/docs/assets/swagger-ui.css"]
PROBLEM = "application/problem+json"
ANA, BEA = "ana", "bea"
NOWHERE = {"sku": "COFFEE", "name": "nobody", "topic": "orders.dlq", "partition": "0", "offset": "0"}


@pytest.fixture(autouse=True)
def controls(rig: Rig) -> None:
    """Add the routes that only the embedded stack has."""
    rig.dependencies = replace(rig.dependencies, controls=Neighbours())


@pytest.fixture
def routes(rig: Rig) -> list[tuple[str, str, list[dict[str, list[str]]]]]:
    """Method, path and security requirements of each route."""
    document = create_app(rig.dependencies).openapi()
    return [
        (method.upper(), path, operation["security"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


@pytest.fixture
async def revoked(rig: Rig) -> NewKey:
    key = rig.make_key(*Role, customer=ANA)
    assert rig.dependencies.keys.revoke(key.record.key_id)
    return key


@pytest.fixture
async def orders_of_bea(rig: Rig, client: httpx.AsyncClient) -> str:  # noqa: ARG001 - its databases
    answer = await client.post("/orders", json=ORDER | {"customer_id": BEA}, headers={"Idempotency-Key": "the key"})
    order_id: str = answer.json()["order_id"]
    return order_id


def with_roles(routes: list[tuple[str, str, Any]]) -> Iterator[tuple[str, str, set[str]]]:
    for method, path, security in routes:
        if security and (method, path) not in SIGNED:
            yield method, path, {role for requirement in security for role in requirement["API key"]}


def address(path: str, order_id: str = "0b1f5e9a-3f0e-4d5e-9f6b-111111111111") -> str:
    return path.format_map({**NOWHERE, "order_id": order_id, "user_id": order_id, "video_id": order_id})


async def test_only_these_routes_need_no_key(routes: list[tuple[str, str, Any]]) -> None:
    assert {(method, path) for method, path, security in routes if security == []} == PUBLIC
    assert {(method, path) for method, path, security in routes if "gateway signature" in security[:1]} <= SIGNED
    assert len(routes) > 20


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)

    with pytest.raises(TypeError, match="/forgotten: declare who may call it"):
        router.get("/forgotten")(lambda: None)


async def test_every_route_of_the_app_is_guarded(rig: Rig) -> None:
    """Also those that are not in the document."""
    app = create_app(rig.dependencies)
    unguarded = {getattr(route, "path", str(route)) for route in effective_routes(app) if not is_guarded(route)}

    assert unguarded == {"/openapi.json", "/static", "/docs/assets"}


async def test_every_action_is_on_record(rig: Rig) -> None:
    """What only adds something is on record as the thing that was added."""
    adding = {"/orders", "/order-pairs", "/users", "/videos"}
    without_key = {"/webhooks/payments", "/sign-in", "/sign-out"}
    unrecorded = {
        route.path
        for route in effective_routes(create_app(rig.dependencies))
        if is_guarded(route) and not route.methods <= {"GET"} and "recorded(" not in getsource(route.endpoint)
    }

    assert unrecorded == adding | without_key


async def test_the_doors_are_closed_without_a_valid_key(
    rig: Rig, routes: list[tuple[str, str, Any]], revoked: NewKey
) -> None:
    wrong = NewKey.make("nobody", frozenset(Role), revoked.record.made_at, customer_id=revoked.record.customer_id)
    known = rig.make_key(Role.OPERATOR)
    other_secret = known.text[:-43] + revoked.text[-43:]
    async with rig.client_with(None) as client:
        for method, path, _ in with_roles(routes):
            for authorization in (
                *(None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer \xff"),
                *(f"Bearer {wrong.text}", f"Bearer {revoked.text}", f"Bearer {other_secret}", f"Basic {known.text}"),
            ):
                headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
                answer = await client.request(method, address(path), headers=headers)

                assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM), (path, authorization)
                assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_without_the_role_is_told_which_one_it_needs(rig: Rig, routes: list[tuple[str, str, Any]]) -> None:
    keys = {role: rig.make_key(role, customer=ANA) for role in Role}
    for role, key in keys.items():
        async with rig.client_with(key) as client:
            for method, path, roles in with_roles(routes):
                answer = await client.request(method, address(path))
                if role in roles:
                    assert answer.status_code not in {401, 403}, (method, path, role, answer.text)
                else:
                    assert answer.status_code == 403, (method, path, role)
                    assert f"the role {' or '.join(sorted(roles))}" in answer.json()["detail"]


async def test_the_order_of_another_customer_does_not_exist(
    rig: Rig, routes: list[tuple[str, str, Any]], orders_of_bea: str
) -> None:
    foreign = rig.make_key(Role.CUSTOMER, Role.ADMIN, customer=ANA)
    of_an_order = [(method, path) for method, path, _ in with_roles(routes) if "{order_id}" in path]
    async with rig.client_with(foreign) as client:
        for method, path in of_an_order:
            for accept in ("application/json", "text/event-stream"):
                headers = {"Accept": accept, "Last-Event-ID": "1"}
                answer = await client.request(method, address(path, orders_of_bea), headers=headers)
                absent = await client.request(method, address(path), headers=headers)

                assert answer.status_code == absent.status_code in {403, 404}, path
                assert answer.text.replace(orders_of_bea, "") == absent.text.replace(address("{order_id}"), "")
        listed = (await client.get("/orders")).json()

    assert len(of_an_order) >= 5
    assert listed == {"items": [], "next_cursor": None}


async def test_a_customer_sees_places_and_cancels_own_orders(rig: Rig, orders_of_bea: str) -> None:
    async with rig.client_with(rig.make_key(Role.CUSTOMER, customer=ANA, name="Ana's phone")) as ana:
        placed = await ana.post("/orders", json=ORDER | {"customer_id": ANA})
        foreign = await ana.post("/orders", json=ORDER | {"customer_id": BEA})
        pair = await ana.post("/order-pairs", json=PAIR | {"customer_id": BEA})
        own = placed.json()["order_id"]
        listed = (await ana.get("/orders")).json()["items"]
        cancelled = await ana.post(f"/orders/{own}/cancel")
        actions = (await ana.get(f"/orders/{own}")).json()["actions"]

    assert (placed.status_code, cancelled.status_code) == (202, 202)
    assert (foreign.status_code, pair.status_code) == (403, 403)
    assert [order["order_id"] for order in listed] == [own] != [orders_of_bea]
    assert [(each["by"], each["action"], each["error"]) for each in actions] == [("Ana's phone", "cancel", None)]


@pytest.mark.parametrize(("path", "body"), [("/orders", ORDER), ("/order-pairs", PAIR)])
async def test_the_idempotency_key_of_another_customer_reveals_nothing(rig: Rig, path: str, body: Json) -> None:
    """Neither a conflict nor the other's order: the same key of two customers is two orders."""
    headers = {"Idempotency-Key": "the key"}
    placed = {}
    for customer in (ANA, BEA):
        async with rig.client_with(rig.make_key(Role.CUSTOMER, customer=customer)) as client:
            answers = [await client.post(path, json=body | {"customer_id": customer}, headers=headers) for _ in "12"]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json() == answers[1].json()
        placed[customer] = answers[0].text
    assert placed[ANA] != placed[BEA]


async def test_a_user_is_shown_to_operators_and_to_the_user(rig: Rig) -> None:
    user_id = str(uuid4())
    user = User(user_id=user_id, name="Ana", email="ana@example.com", fingerprint="", created_at=utc_now())
    rig.dependencies.accounts.register(user)
    keys = [rig.make_key(Role.OPERATOR), *(rig.make_key(Role.CUSTOMER, customer=each) for each in (user_id, BEA))]
    seen = []
    for key in keys:
        async with rig.client_with(key) as client:
            seen.append((await client.get(f"/users/{user_id}")).status_code)

    assert seen == [200, 200, 404]


async def test_pages_and_probes_are_open_and_reveal_no_order(rig: Rig, orders_of_bea: str) -> None:
    async with rig.client_with(None) as client:
        for path in [*OPEN_PAGES, *(path for _, path in PUBLIC)]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert orders_of_bea not in answer.text


def effective_routes(app: Any) -> Iterator[Any]:  # noqa: ANN401 - FastAPI's internal classes
    for route in app.router.routes:
        inner = getattr(route, "original_router", None)
        yield from (inner.routes if inner is not None else [route])


def is_guarded(route: object) -> bool:
    return isinstance(route, GuardedRoute)
