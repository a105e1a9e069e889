"""Signing in to the page with an API key, where the page has none of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from adapters.page_sessions import RedisPageSessions
from api.app import create_app
from api.callers import SIGN_INS_PER_MINUTE
from services.access.keys import NewKey, Role
from tests.support.api_bodies import ORDER
from tests.support.api_rig import NOWHERE, Rig
from tests.support.waiting import DEADLINE_S, soon

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
FOREVER_S = 10_000
FORM, PAGE = 'action="/sign-in"', 'id="place"'


@pytest.fixture
async def sessions(rig: Rig, redis_url: str) -> AsyncIterator[RedisPageSessions]:
    sessions = RedisPageSessions(redis_url)
    rig.dependencies = replace(rig.dependencies, sessions=sessions)
    yield sessions
    await sessions.close()


@pytest.fixture(autouse=True)
def app(rig: Rig, sessions: RedisPageSessions) -> FastAPI:  # noqa: ARG001 - the app keeps its sessions there
    return create_app(rig.dependencies, hosts=["localhost", "shop.test"])


@asynccontextmanager
async def browser_of(app: FastAPI, url: str = "http://shop.test") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=OWN_PAGE) as browser:
        yield browser


async def sign_in(browser: httpx.AsyncClient, key: NewKey) -> httpx.Response:
    return await browser.post("/sign-in", data={"key": f" {key.text}\n"})


def attributes_of(answer: httpx.Response) -> set[str]:
    return set(answer.headers["set-cookie"].split("; "))


async def test_the_page_asks_for_a_key_and_works_with_it_until_the_user_signs_out(rig: Rig, app: FastAPI) -> None:
    key = rig.make_key(Role.OPERATOR, name="on call")
    async with browser_of(app) as browser:
        asked = await browser.get("/")
        signed_in = await sign_in(browser, key)
        cookie = browser.cookies["twinsaga-session"]
        page = await browser.get("/")
        listed, placed = await browser.get("/orders"), await browser.post("/orders", json=ORDER)
        left = await browser.post("/sign-out")
        after = await browser.get("/")
        refused = await browser.get("/orders", headers={"Cookie": f"twinsaga-session={cookie}"})

    assert (FORM in asked.text, PAGE in asked.text) == (True, False)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= attributes_of(signed_in)
    assert "Secure" not in attributes_of(signed_in)
    assert key.text not in signed_in.headers["set-cookie"] + page.text
    assert (PAGE in page.text, "Signed in as on call" in page.text) == (True, True)
    assert (listed.status_code, placed.status_code) == (200, 202)
    assert (left.status_code, left.headers["location"]) == (303, "/")
    assert (FORM in after.text, refused.status_code) == (True, 401)


async def test_behind_tls_the_cookie_is_secure_and_only_this_host_can_set_it(rig: Rig, app: FastAPI) -> None:
    async with browser_of(app, "https://shop.test") as browser:
        signed_in = await sign_in(browser, rig.make_key(Role.OPERATOR))
        listed = await browser.get("/orders")
        left = await browser.post("/sign-out")

    assert signed_in.headers["set-cookie"].startswith("__Host-twinsaga-session=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= attributes_of(signed_in)
    assert listed.status_code == 200
    assert {"Secure", "Max-Age=0"} <= attributes_of(left)


async def test_a_wrong_a_revoked_and_no_key_are_refused_in_words(rig: Rig, app: FastAPI) -> None:
    known, revoked = rig.make_key(Role.OPERATOR), rig.make_key(Role.OPERATOR)
    rig.dependencies.keys.revoke(revoked.record.key_id)
    bodies = [
        *(f"key={text}".encode() for text in (known.text[:-1], revoked.text, "", "%FF", "twinsaga_")),
        *(b"", b"\xff=\xff", b"other=1", b"&".join([b"key=x"] * 50)),
    ]
    async with browser_of(app) as browser:
        for body in bodies:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await browser.post("/sign-in", content=body, headers=headers)

            assert (answer.status_code, FORM in answer.text) == (401, True), body
            assert "This API key is not valid" in answer.text
            assert "set-cookie" not in answer.headers


async def test_too_many_attempts_from_one_address_have_to_wait(rig: Rig, app: FastAPI) -> None:
    key = rig.make_key(Role.OPERATOR)
    async with browser_of(app) as browser:
        wrong = [await browser.post("/sign-in", data={"key": "wrong"}) for _ in range(SIGN_INS_PER_MINUTE)]
        late = await sign_in(browser, key)

    assert {answer.status_code for answer in wrong} == {401}
    assert (late.status_code, "Try again in a minute" in late.text) == (429, True)
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert "set-cookie" not in late.headers


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize("origin", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
async def test_a_page_of_others_signs_nobody_in_or_out(
    rig: Rig, app: FastAPI, path: str, origin: dict[str, str]
) -> None:
    key = rig.make_key(Role.OPERATOR)
    async with browser_of(app) as browser:
        await sign_in(browser, key)
        answer = await browser.post(path, data={"key": key.text}, headers=origin)
        still = await browser.get("/orders")

    assert (answer.status_code, "set-cookie" in answer.headers, still.status_code) == (403, False, 200)


async def test_a_session_has_the_rights_of_its_key_and_ends_with_it(rig: Rig, app: FastAPI) -> None:
    key = rig.make_key(Role.CUSTOMER, customer="ana")
    async with browser_of(app) as browser:
        await sign_in(browser, key)
        page = await browser.get("/")
        audit, foreign = await browser.get("/audit"), await browser.post("/orders", json=ORDER)
        rig.dependencies.keys.revoke(key.record.key_id)
        await soon(partial(browser.get, "/"), lambda answer: FORM in answer.text)
        refused = await browser.get("/orders")

    assert 'data-customer="ana"' in page.text
    assert (audit.status_code, foreign.status_code, refused.status_code) == (403, 403, 401)


async def test_a_token_is_worth_nothing_without_what_the_server_keeps_and_the_other_way_round(
    rig: Rig, app: FastAPI, sessions: RedisPageSessions
) -> None:
    key = rig.make_key(*Role)
    async with browser_of(app) as browser:
        await sign_in(browser, key)
        token = browser.cookies["twinsaga-session"]
        names = [name async for name in sessions._redis.scan_iter("twinsaga:page-session:*")]
        content = repr([await sessions._redis.get(name) for name in names])
        other = await sessions.begin(key.text)
        for forged in (token[:-2] + "A=", token.upper(), "", "\xff", "A" * 43 + "=", key.text, token + token):
            answer = await browser.get("/orders", headers={b"Cookie": f"twinsaga-session={forged}".encode("latin-1")})
            assert answer.status_code == 401, forged

    assert key.text not in f"{content}{names}"
    assert token not in f"{content}{names}"
    assert await sessions.key_in(token) == await sessions.key_in(other) == key.text


async def test_a_session_ends_after_its_time(redis_url: str) -> None:
    sessions = RedisPageSessions(redis_url, lasts_s=1)
    token = await sessions.begin("key")
    assert await sessions.key_in(token) == "key"

    await soon(partial(sessions.key_in, token), lambda key: key is None)

    await sessions.close()


async def test_while_redis_is_away_nobody_signs_in_and_no_session_counts_but_keys_do(rig: Rig, app: FastAPI) -> None:
    key = rig.make_key(Role.OPERATOR)
    async with browser_of(app) as browser:
        await sign_in(browser, key)
        away = RedisPageSessions(f"redis://{NOWHERE}/2")
        app.state.callers._sessions = away
        refused = await sign_in(browser, key)
        answers = [await browser.get("/orders"), await browser.post("/sign-out"), await browser.get("/")]
        with_key = await browser.get("/orders", headers={"Authorization": f"Bearer {key.text}"})
        await away.close()

    assert (refused.status_code, "does not answer" in refused.text) == (503, True)
    assert [answer.status_code for answer in answers] == [503] * 3
    assert with_key.status_code == 200


async def test_a_stream_ends_when_its_user_signs_out(rig: Rig, served: tuple[FastAPI, httpx.AsyncClient]) -> None:
    app, client = served
    app.state.stream_durations = replace(app.state.stream_durations, heartbeat=0.05, whole=FOREVER_S)
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
    key = rig.make_key(Role.OPERATOR)
    async with httpx.AsyncClient(base_url=client.base_url, timeout=20, headers=OWN_PAGE) as browser:
        await sign_in(browser, key)
        async with browser.stream(
            "GET", f"/orders/{order_id}/timeline", headers={"Accept": "text/event-stream"}
        ) as stream:
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data:"):
                pass
            await browser.post("/sign-out")

            async with asyncio.timeout(DEADLINE_S):
                assert [line async for line in lines if line.startswith("data:")] == []


async def test_a_page_that_has_a_key_of_its_own_asks_for_none(rig: Rig) -> None:
    key = rig.make_key(*Role)
    app = create_app(replace(rig.dependencies, page_key=key.text))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser:
        page = await browser.get("/")

    assert (PAGE in page.text, "Sign out" in page.text) == (True, False)
