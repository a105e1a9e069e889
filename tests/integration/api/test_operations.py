"""Health, metrics, audit and logs, and that they contain no secrets."""

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog

from api.dependencies import Probe
from tests.support.api_bodies import ORDER
from tests.support.api_rig import Rig


async def test_healthz_reports_that_the_process_runs(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_readyz_names_each_dependency_that_answers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "dependencies": {"orders database": {"answers": True, "error": None}},
    }


async def refuse() -> None:
    raise ConnectionRefusedError


async def hang() -> None:
    await asyncio.Event().wait()


async def test_readyz_is_a_503_that_names_each_dependency_that_does_not_answer(rig: Rig) -> None:
    probes = [*rig.dependencies.probes, Probe("kafka", refuse), Probe("redis", hang)]
    rig.dependencies = replace(rig.dependencies, probes=probes, probe_deadline_s=1.0)

    async with rig.client() as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "dependencies": {
            "orders database": {"answers": True, "error": None},
            "kafka": {"answers": False, "error": "ConnectionRefusedError"},
            "redis": {"answers": False, "error": "TimeoutError"},
        },
    }


async def test_metrics_count_requests_by_route_and_not_by_path(client: httpx.AsyncClient) -> None:
    for order_id in ("one", "two"):
        await client.get(f"/orders/{order_id}")
    await client.get("/somewhere/else")

    text = (await client.get("/metrics")).text

    assert 'twinsaga_http_requests_total{method="GET",route="/orders/{order_id}",status="404"} 2.0' in text
    assert "somewhere" not in text


async def test_the_audit_gives_its_verdict(client: httpx.AsyncClient) -> None:
    await client.post("/orders", json=ORDER)

    answer = await client.get("/audit")

    assert answer.status_code == 200
    verdict = answer.json()
    assert set(verdict) == {"ok", "orders_checked", "orders_pending", "orders_written_off", "broken"}
    assert (verdict["orders_checked"], verdict["orders_pending"]) == (1, 1)


async def test_the_docs_describe_every_route(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"]

    assert (await client.get("/docs")).status_code == 200
    assert {"/products/{sku}", "/orders", "/order-pairs", "/orders/{order_id}", "/audit", "/readyz"} <= set(described)
    assert "application/problem+json" in described["/orders"]["post"]["responses"]["422"]["content"]


async def test_a_request_writes_one_log_line_with_the_order_id_and_no_personal_data(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        placed = await client.post("/orders", json=ORDER, headers={"Idempotency-Key": "a-secret-key"})
        await client.get(placed.headers["Location"])

    order_id = placed.json()["order_id"]
    answered = [line for line in lines if line["event"] == "request answered"]
    assert [(line["method"], line["route"], line["status"], line["order_id"]) for line in answered] == [
        ("POST", "/orders", 202, order_id),
        ("GET", "/orders/{order_id}", 200, order_id),
    ]
    for secret in ("tok_visa", "a-secret-key", "Ana Souza", "customer-1"):
        assert secret not in str(lines)


async def test_an_unexpected_error_is_a_500_problem_without_internals(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_sku: str) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr(rig.services.orders, "price_of", broken)
    with structlog.testing.capture_logs() as lines:
        async with rig.client(raise_app_exceptions=False) as client:
            answer = await client.get("/products/COFFEE")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inside" not in answer.text
    assert "ZeroDivisionError" in [line.get("error") for line in lines]
