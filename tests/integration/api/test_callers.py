"""Keys that are revoked, limited or used by the page; the record of actions; the signature of the webhook."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI

from api.app import create_app
from api.callers import FRESH_S
from api.webhook_signatures import HEADER, signature_of
from domain.ids import OrderId
from services.access.keys import ApiKey, NewKey, Role
from services.estate.records import Video, VideoEngine
from tests.support.api_bodies import ORDER, PRODUCT
from tests.support.api_rig import WEBHOOK_SECRET, Rig
from tests.support.callers import WEBHOOK
from tests.support.waiting import soon

SETTLED = {"order_id": "0b1f5e9a-3f0e-4d5e-9f6b-111111111111", "status": "settled"}
FOREVER_S = 10_000


async def test_a_revoked_key_stops_working_in_every_process(rig: Rig) -> None:
    key = rig.make_key(Role.OPERATOR)
    async with rig.client_with(key) as one, rig.client_with(key) as other:
        assert [(await each.get("/orders")).status_code for each in (one, other)] == [200, 200]

        rig.dependencies.keys.revoke(key.record.key_id)

        for each in (one, other):
            await soon(partial(each.get, "/orders"), lambda answer: answer.status_code == 401)
    assert FRESH_S < 1


async def test_a_valid_key_is_not_read_for_every_request(rig: Rig) -> None:
    key = rig.make_key(Role.OPERATOR)
    reads = CountedKeys(rig)
    rig.dependencies = replace(rig.dependencies, keys=reads)
    async with rig.client_with(key) as client:
        callers = client._transport.app.state.callers  # type: ignore[attr-defined]
        callers._clock = lambda: 0.0
        for _ in range(10):
            assert (await client.get("/orders")).status_code == 200

    assert reads.reads == 1


class CountedKeys:
    def __init__(self, rig: Rig) -> None:
        self._keys = rig.dependencies.keys
        self.reads = 0
        self.add, self.every, self.revoke = self._keys.add, self._keys.every, self._keys.revoke

    def find(self, key_id: str) -> ApiKey | None:
        self.reads += 1
        return self._keys.find(key_id)


async def test_a_stream_sends_nothing_more_once_its_key_is_revoked(
    rig: Rig, served: tuple[FastAPI, httpx.AsyncClient]
) -> None:
    app, client = served
    app.state.stream_durations = replace(app.state.stream_durations, heartbeat=0.05, whole=FOREVER_S)
    key = rig.make_key(Role.OPERATOR)
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {key.text}"}
    async with (
        httpx.AsyncClient(base_url=client.base_url, timeout=10) as revoked,
        revoked.stream("GET", f"/orders/{order_id}/timeline", headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        while "event: message" not in (line := await anext(lines)) and not line.startswith("data:"):
            pass
        rig.dependencies.keys.revoke(key.record.key_id)

        assert [line async for line in lines if line.startswith("data:")] == []


async def test_a_key_that_sends_too_many_requests_is_told_when_to_come_again(rig: Rig) -> None:
    limited, other = rig.make_key(Role.OPERATOR, requests_per_minute=2), rig.make_key(Role.OPERATOR)
    async with rig.client_with(limited) as client, rig.client_with(other) as unlimited:
        answers = [await client.get("/orders") for _ in range(3)]
        probe, page = await client.get("/healthz"), await client.get("/")
        others = [await unlimited.get("/orders") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 31
    assert (probe.status_code, page.status_code) == (200, 200)
    assert {answer.status_code for answer in others} == {200}


async def test_what_was_asked_of_an_order_is_on_record_also_if_it_was_refused(rig: Rig) -> None:
    async with rig.client_with(rig.make_key(*Role, name="on call")) as client:
        order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
        await client.post(f"/orders/{order_id}/compensation/retry")
        await client.post(f"/orders/{order_id}/repair")
        await client.post(f"/orders/{order_id}/payment/settle")
        await client.post("/dead-letters/redrive", json={"filter": {"order_id": order_id}})
        shown = (await client.get(f"/orders/{order_id}")).json()

    assert [(each["by"], each["action"], each["error"]) for each in shown["actions"]] == [
        ("on call", "retry compensation", "no compensation waits for an operator: the order is pending"),
        ("on call", "repair", None),
        ("on call", "settle payment", None),
        ("on call", "redrive", "DeadLettersAway"),
    ]
    assert [each["at"] for each in shown["actions"]] == sorted(each["at"] for each in shown["actions"])


class FailingSettlements:
    async def announce(self, order_id: OrderId) -> None:
        raise RuntimeError(f"a bug, with the name of Ana Souza, in {order_id}")


async def test_an_action_that_ended_in_an_unexpected_error_is_on_record_with_its_class_alone(rig: Rig) -> None:
    rig.dependencies = replace(rig.dependencies, settlements=FailingSettlements())
    async with rig.client(raise_app_exceptions=False) as client:
        order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
        with structlog.testing.capture_logs():  # by default it draws a traceback, for half a minute
            failed = await client.post(f"/orders/{order_id}/payment/settle")
        [action] = (await client.get(f"/orders/{order_id}")).json()["actions"]

    assert failed.status_code == 500
    assert (action["by"], action["action"], action["error"]) == ("all roles", "settle payment", "RuntimeError")


async def test_who_cancelled_a_video_is_on_record(rig: Rig) -> None:
    video = Video(
        video_id=str(uuid4()), engine=VideoEngine.CELERY, fingerprint="f", size_before=1, created_at=datetime.now(UTC)
    )
    rig.dependencies.videos.take_in(video)
    async with rig.client_with(rig.make_key(Role.OPERATOR, name="on call")) as client:
        answers = [await client.post(f"/videos/{video.video_id}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 409]
    with rig.access.reading() as connection:
        rows = connection.exec_driver_sql("SELECT key_name, action, detail, error FROM actions ORDER BY seq").all()
    done = ("on call", "cancel video", video.video_id)
    assert rows == [(*done, None), (*done, "the video is cancelled")]


async def test_a_change_of_the_stock_is_on_record(rig: Rig) -> None:
    async with rig.client_with(rig.make_key(Role.ADMIN, name="warehouse")) as client:
        (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()

    with rig.access.reading() as connection:
        rows = connection.exec_driver_sql("SELECT key_name, action, detail, order_id, error FROM actions").all()
    assert rows == [("warehouse", "stock", "COFFEE", None, None)]


async def test_the_page_works_without_asking_for_a_key_on_this_machine_only(rig: Rig) -> None:
    key = with_page(rig)
    for address, host, works in [
        ("127.0.0.1", "localhost", True),
        ("192.0.2.1", "localhost", False),
        ("127.0.0.1", "shop.test", False),
    ]:
        app = create_app(rig.dependencies, hosts=["localhost", "shop.test"])
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as browser:
            page = await browser.get("/")
            listed = await browser.get("/orders")

        assert (page.status_code, listed.status_code) == (200, 200 if works else 401), (address, host)
        assert ("set-cookie" in page.headers) == works
        assert key.text not in page.headers.get("set-cookie", "") + page.text


async def test_the_cookie_of_this_machine_is_refused_from_elsewhere(rig: Rig) -> None:
    with_page(rig)
    async with rig.client_with(None) as browser:
        cookie = (await browser.get("/")).headers["set-cookie"].partition(";")[0]
    app = create_app(rig.dependencies, hosts=["localhost", "shop.test"])
    for address, host, status in [
        ("127.0.0.1", "localhost", 200),
        ("192.0.2.1", "localhost", 401),
        ("127.0.0.1", "shop.test", 401),
    ]:
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as other:
            assert (await other.get("/orders", headers={"Cookie": cookie})).status_code == status, (address, host)


async def test_the_cookie_is_for_our_page_alone(rig: Rig) -> None:
    with_page(rig)
    async with rig.client_with(None) as browser:
        cookie = (await browser.get("/")).headers["set-cookie"]
        foreign = await browser.post("/orders", json=ORDER, headers={"Sec-Fetch-Site": "same-site"})
        own = await browser.post("/orders", json=ORDER, headers={"Sec-Fetch-Site": "same-origin"})

    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert (foreign.status_code, own.status_code) == (403, 202)
    name, _, token = cookie.partition(";")[0].partition("=")
    for value in (token[:-1], token + "0", "", "\xff"):
        async with rig.client_with(None) as other:
            answer = await other.get("/orders", headers={b"Cookie": f"{name}={value}".encode("latin-1")})
            assert answer.status_code == 401


async def test_without_a_key_of_its_own_the_page_sets_no_cookie(client: httpx.AsyncClient) -> None:
    assert "set-cookie" not in (await client.get("/")).headers


async def test_a_call_of_the_gateway_that_comes_again_is_accepted_again(rig: Rig) -> None:
    content = json.dumps(SETTLED).encode()
    headers = {HEADER: signature_of(content, WEBHOOK_SECRET, int(time.time())), "Content-Type": "application/json"}
    async with rig.client_with(None) as gateway:
        answers = [await gateway.post(WEBHOOK, content=content, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]


@pytest.mark.parametrize("body", [json.dumps(SETTLED).encode(), b"{", b""], ids=["settled", "no JSON", "empty"])
async def test_a_call_that_the_gateway_did_not_sign_is_refused(rig: Rig, body: bytes) -> None:
    """Whatever its body, and also for a caller who has a key with all roles."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {rig.caller.key}"}
    foreign, old = signature_of(body, "whsec_of_others", int(time.time())), signature_of(body, WEBHOOK_SECRET, 0)
    tried = [headers, *(headers | {HEADER: signature} for signature in ("", foreign, old))]
    async with rig.client_with(None) as stranger:
        answers = [await stranger.post(WEBHOOK, content=body, headers=each) for each in tried]

    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == HEADER
    assert rig.settlements.announced == []


async def test_a_payment_without_a_gateway_exists_only_where_it_is_simulated(rig: Rig) -> None:
    rig.dependencies = replace(rig.dependencies, simulated_gateway=False)
    async with rig.client() as client:
        order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
        answer = await client.post(f"/orders/{order_id}/payment/settle")

    assert answer.status_code == 404
    assert rig.settlements.announced == []


def with_page(rig: Rig) -> NewKey:
    key = rig.make_key(*Role)
    rig.dependencies = replace(rig.dependencies, page_key=key.text)
    return key
