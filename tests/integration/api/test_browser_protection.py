"""What keeps web pages of others away: allowed host names, security headers, controls from this machine only."""

from dataclasses import replace

import httpx2 as httpx
import structlog
from fastapi import FastAPI

from api.app import create_app
from api.security_headers import SECURITY_HEADERS
from services.audit.invariants import Verdict
from tests.integration.api.test_page import Neighbours
from tests.support.api_bodies import ORDER
from tests.support.api_rig import Rig

FOREIGN = ["rebound.test", "localhost.rebound.test", "127.0.0.1.rebound.test:8000", "api", ""]
LOOPBACK = ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"]
CONTROLLERS = [
    ("127.0.0.1", "localhost", True),
    ("::1", "[::1]:8000", True),
    ("127.0.0.1", "shop.test", False),
    ("192.0.2.1", "localhost", False),
    ("not an address", "localhost", False),
]
PATHS = ["/", "/docs", "/static/page.js", "/docs/assets/swagger-ui.css", "/openapi.json", "/healthz", "/metrics"]


async def test_only_the_loopback_names_are_answered_and_a_rebound_one_places_no_order(
    client: httpx.AsyncClient,
) -> None:
    for host in FOREIGN:
        for path in PATHS:
            answer = await client.get(path, headers={"Host": host})
            assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json"), path
        assert (await client.post("/orders", json=ORDER, headers={"Host": host})).status_code == 421
    for host in LOOPBACK:
        listed = await client.get("/orders", headers={"Host": host})
        assert (listed.status_code, listed.json()["items"]) == (200, [])


async def test_more_names_can_be_allowed(rig: Rig) -> None:
    app = create_app(rig.dependencies, hosts=["shop.example.com", "*.internal"])
    async with client_of(app, rig) as client:
        answers = {
            host: (await client.get("/healthz", headers={"Host": host})).status_code
            for host in ("shop.example.com", "api.internal:8000", "example.com", "localhost")
        }

    assert answers == {"shop.example.com": 200, "api.internal:8000": 200, "example.com": 421, "localhost": 421}


async def test_processes_are_controlled_from_this_machine_only(rig: Rig) -> None:
    for address, host, allowed in CONTROLLERS:
        neighbours = Neighbours()
        app = create_app(replace(rig.dependencies, controls=neighbours), hosts=["localhost", "[::1]", "shop.test"])
        async with client_of(app, rig, address) as client:
            headers = {"Host": host}
            killed = await client.post("/controls/payment-service", json={"action": "kill"}, headers=headers)
            listed = await client.get("/controls", headers=headers)
            page = await client.get("/", headers=headers)

        assert (killed.status_code, listed.status_code) == ((202, 200) if allowed else (403, 403)), (address, host)
        assert neighbours.done == ["kill payment-service"] * allowed
        assert ('id="controls"' in page.text) == allowed


async def test_every_answer_has_the_security_headers(rig: Rig, client: httpx.AsyncClient) -> None:
    placed = (await client.post("/orders", json=ORDER)).json()["order_id"]
    answers = [await client.get(path) for path in [*PATHS, f"/orders/{placed}", "/nowhere", "/orders?limit=0"]]
    answers += [
        await client.delete("/orders"),
        await client.options("/orders"),
        await client.head("/orders"),
        await client.get("/healthz", headers={"Host": "rebound.test"}),
        await client.post("/orders", json=ORDER, headers={"Origin": "http://elsewhere.test"}),
        await client.post("/orders", content=b"x" * 100_000),
    ]
    broken = create_app(replace(rig.dependencies, audit=fail))
    with structlog.testing.capture_logs():
        async with client_of(broken, rig) as failing:
            answers.append(await failing.get("/audit"))

    assert {answer.status_code for answer in answers} == {200, 204, 403, 404, 405, 413, 421, 422, 500}
    for answer in answers:
        missing = [name for name in SECURITY_HEADERS if len(answer.headers.get_list(name)) != 1]
        assert missing == [], answer.request.url
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "script-src 'unsafe" not in answer.headers["Content-Security-Policy"]


async def test_a_stream_has_them_too(served: tuple[FastAPI, httpx.AsyncClient]) -> None:
    _, client = served
    placed = (await client.post("/orders", json=ORDER)).json()["order_id"]

    async with client.stream("GET", f"/orders/{placed}/timeline", headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert [name for name in SECURITY_HEADERS if name not in stream.headers] == []


async def test_the_page_of_the_document_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    loaded = [part.partition('"')[0] for part in page.text.replace('src="', 'href="').split('href="')[1:]]

    assert len(loaded) == 5
    for path in loaded:
        assert path.startswith("/")
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/redoc")).status_code == 404


def client_of(app: FastAPI, rig: Rig, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", auth=rig.caller)


def fail() -> Verdict:
    raise RuntimeError
