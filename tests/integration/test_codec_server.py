"""The codec server decodes for those who have its token, and lets only pages of the Temporal UI read the answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx
import pytest
from google.protobuf import json_format
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload, Payloads

from adapters.key_ring import new_key
from processes.codec_server import BODY_LIMIT, COOKIE, Access, codec_app
from runtime.errors import CannotRun
from runtime.payload_codec import EncryptingCodec
from runtime.settings import Settings, load_settings
from tests.support.payload_encryption import encrypting

TOKEN = "d0f1c3a5b7e9d0f1c3a5b7e9d0f1c3a5"
UI = "http://127.0.0.1:8233"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = encrypting().with_changes(codec_token=SecretStr(TOKEN), temporal_ui_url=UI, codec_server_hosts="codec.shop")
CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'"Ana Souza"')


def sealed(*payloads: Payload, settings: Settings = SETTINGS) -> str:
    codec = EncryptingCodec(settings.payload_keys)
    return str(json_format.MessageToJson(Payloads(payloads=codec.encrypted(payloads))))


def opened(answer: httpx.Response) -> list[Payload]:
    assert answer.status_code == 200, answer.text
    return list(json_format.Parse(answer.text, Payloads()).payloads)


@asynccontextmanager
async def client_of(settings: Settings, url: str = "http://localhost:8234") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(codec_app(settings)), base_url=url) as client:
        yield client


@pytest.fixture
async def server() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(SETTINGS) as client:
        yield client


async def test_it_decodes_what_the_workers_encoded(server: httpx.AsyncClient) -> None:
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b"1")
    body = json_format.MessageToJson(Payloads(payloads=[*json_format.Parse(sealed(CLEAR), Payloads()).payloads, plain]))

    answer = await server.post("/decode", content=body, headers={**BEARER, "X-Namespace": "default"})

    assert opened(answer) == [CLEAR, plain]


async def test_it_encodes_what_the_workers_can_decode(server: httpx.AsyncClient) -> None:
    clear = json_format.MessageToJson(Payloads(payloads=[CLEAR]))

    encoded = await server.post("/encode", content=clear, headers=BEARER)

    assert b"Ana" not in opened(encoded)[0].SerializeToString()
    assert opened(await server.post("/decode", content=encoded.text, headers=BEARER)) == [CLEAR]


@pytest.mark.parametrize("body", ["{}", '{"payloads": []}', '{"payloads": [], "later": {"more": 1}}'])
async def test_no_payloads_are_decoded_to_none(server: httpx.AsyncClient, body: str) -> None:
    answer = await server.post("/decode", content=body, headers=BEARER)

    assert (answer.status_code, answer.json()) == (200, {"payloads": []})


@pytest.mark.parametrize("path", ["/decode", "/encode"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer ÿ"},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}=99999999999."},
        {"Cookie": f"{COOKIE}=99999999999.{'0' * 64}"},
        {"Cookie": f"{COOKIE}={Access('another token').new_session()}"},
    ],
    ids=["none", "empty", "longer", "basic", "bare", "not ASCII", "token as cookie", "unsigned", "forged", "foreign"],
)
async def test_without_the_token_nothing_is_decoded(
    server: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = await server.post(path, content=sealed(CLEAR), headers=raw)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert TOKEN not in answer.text


async def test_a_browser_logs_in_with_the_token_and_then_sends_a_cookie(server: httpx.AsyncClient) -> None:
    assert '<form method="post" action="/login">' in (await server.get("/")).text
    own_page = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}

    login = await server.post("/login", data={"token": TOKEN}, headers=own_page)

    assert (login.status_code, login.headers["location"]) == (303, "/")
    cookie = login.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=28800"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert "You are logged in until" in (await server.get("/")).text
    answer = await server.post("/decode", content=sealed(CLEAR), headers={"Origin": UI, "Sec-Fetch-Site": "same-site"})
    assert opened(answer) == [CLEAR]


@pytest.mark.parametrize("form", [{"token": "wrong"}, {"token": ""}, {}, {"other": TOKEN}])
async def test_a_wrong_token_logs_no_browser_in(server: httpx.AsyncClient, form: dict[str, str]) -> None:
    answer = await server.post("/login", data=form)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_a_session_ends(server: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Access(TOKEN).new_session()
    assert Access(TOKEN).session_end(session) is not None

    monkeypatch.setattr("processes.codec_server.time.time", lambda: int(session.partition(".")[0]) + 1.0)

    assert Access(TOKEN).session_end(session) is None
    refused = await server.post("/decode", content=sealed(CLEAR), headers={"Cookie": f"{COOKIE}={session}"})
    assert refused.status_code == 401


async def test_behind_tls_the_cookie_is_secure() -> None:
    async with client_of(SETTINGS.with_changes(temporal_ui_url="https://temporal.shop")) as server:
        login = await server.post("/login", data={"token": TOKEN})

    assert "Secure" in login.headers["set-cookie"].split("; ")


async def test_pages_of_the_ui_may_read_the_answers(server: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-namespace"}
    preflight = await server.options("/decode", headers={"Origin": UI, **asked})
    answer = await server.post("/decode", content=sealed(CLEAR), headers={**BEARER, "Origin": UI})
    refused = await server.post("/decode", content=sealed(CLEAR), headers={"Origin": UI})

    assert (preflight.status_code, answer.status_code, refused.status_code) == (204, 200, 401)
    for each in (preflight, answer, refused):
        assert each.headers["access-control-allow-origin"] == UI
        assert each.headers["access-control-allow-credentials"] == "true"
        assert each.headers["vary"] == "Origin"
    assert preflight.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Namespace"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:8233", "https://evil.example", "null"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
async def test_pages_of_other_origins_get_no_cors_header_and_no_answer(
    server: httpx.AsyncClient, origin: str, method: str
) -> None:
    headers = {**BEARER, "Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = await server.request(method, "/decode", content=sealed(CLEAR), headers=headers)

    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.status_code == (403 if method == "POST" else 204)


async def test_it_answers_to_its_own_names_only() -> None:
    for url, status in (("http://codec.shop", 200), ("http://rebound.test", 421)):
        async with client_of(SETTINGS, url) as server:
            assert (await server.post("/decode", content=sealed(CLEAR), headers=BEARER)).status_code == status


async def test_another_namespace_is_refused(server: httpx.AsyncClient) -> None:
    answer = await server.post("/decode", content=sealed(CLEAR), headers={**BEARER, "X-Namespace": "other"})

    assert answer.status_code == 403
    assert "'default'" in answer.json()["detail"]


async def test_a_missing_key_is_named(server: httpx.AsyncClient) -> None:
    body = sealed(CLEAR, settings=encrypting(new_key("lost")))

    answer = await server.post("/decode", content=body, headers=BEARER)

    assert answer.status_code == 400
    assert "encrypted by the key 'lost'" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b'{"payloads": 1}',
        b'{"payloads": [1]}',
        b'{"payloads": [null]}',
        b'{"payloads": {"a": 1}}',
        b'{"payloads": [{"metadata": [1]}]}',
        b'{"payloads": [{"metadata": {"encoding": {}}}]}',
        b"[" * 100_000,
        b'{"payloads": [' * 5_000,
    ],
    ids=range(11),
)
async def test_a_body_that_is_not_payloads_is_refused(server: httpx.AsyncClient, body: bytes) -> None:
    answer = await server.post("/decode", content=body, headers=BEARER)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_large_body_is_refused_and_without_the_token_it_is_not_read(server: httpx.AsyncClient) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(BODY_LIMIT // 65_536 + 2):
            read += 65_536
            yield b" " * 65_536

    large = await server.post("/decode", content=chunks(), headers=BEARER)

    assert large.status_code == 413
    assert (await server.post("/login", content=b"token=" + b"x" * 5_000)).status_code == 413
    read = 0
    assert (await server.post("/decode", content=chunks())).status_code == 401
    assert read == 0


async def test_the_largest_payload_of_temporal_is_decoded(server: httpx.AsyncClient) -> None:
    largest = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps("x" * 2_000_000).encode())

    assert opened(await server.post("/decode", content=sealed(largest), headers=BEARER)) == [largest]


@pytest.mark.parametrize("path", ["/", "/healthz", "/decode", "/nothing"])
async def test_every_answer_has_the_security_headers(server: httpx.AsyncClient, path: str) -> None:
    answer = await server.get(path)

    assert answer.status_code == {"/decode": 405, "/nothing": 404}.get(path, 200)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        (Settings(codec_token=SecretStr(TOKEN)), "TWINSAGA_TEMPORAL_PAYLOAD_KEYS"),
        (encrypting(), "TWINSAGA_CODEC_TOKEN"),
    ],
)
def test_it_does_not_start_without_keys_or_without_a_token(settings: Settings, variable: str) -> None:
    with pytest.raises(CannotRun, match=variable):
        codec_app(settings)


@pytest.mark.parametrize("token", ["", "short", "ä" * 30])
def test_a_token_that_could_be_guessed_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_CODEC_TOKEN", token)

    with pytest.raises(CannotRun, match=r"TWINSAGA_CODEC_TOKEN: .*24 ASCII characters"):
        load_settings()
