"""`twinsaga serve codec-server`: decrypts payloads for the Temporal UI and CLI of those who have the token.

The protocol is Temporal's: POST /decode and /encode of `{"payloads": [...]}`, with the namespace in X-Namespace
(https://docs.temporal.io/production-deployment/data-encryption#codec-server-setup). The CLI sends the token as a
Bearer. The UI can send only the access token of its own users, so a browser logs in here, on `/`, and sends a cookie.
"""

import asyncio
import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import uvicorn
from fastapi import APIRouter, FastAPI
from google.protobuf import json_format
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.api.common.v1 import Payload, Payloads

from api.body_limits import BodyGuard
from api.exception_handlers import add_exception_handlers
from api.hosts import LOOPBACK_HOSTS, AllowedHosts
from api.problems import ApiProblem, InvalidRequest
from api.request_limit import RequestLimit
from api.same_origin import SameOrigin
from api.security_headers import policy_with, with_security_headers
from processes.uvicorn_server import AnnouncedServer
from runtime.errors import CannotRun
from runtime.payload_codec import EncryptingCodec, UnreadablePayload
from runtime.settings import PREFIX, Settings
from runtime.stopping import stop_event

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes. Temporal's largest payload has 2 MiB, which base64 makes 2.7."""
LOGIN_LIMIT = 4 * 1024
MAX_REQUESTS = 16
"""At a time, because each may have a body of BODY_LIMIT in memory."""
STOP_S = 3

SESSION_S = 8 * 60 * 60
COOKIE = "twinsaga-codec"
FORM_POLICY = policy_with(form_action="'self'")
PREFLIGHT_MAX_AGE_S = 600
CORS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Namespace",
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
}


class NotAllowed(ApiProblem):
    status, name, title = 401, "not-allowed", "The request has no valid token"


class OtherNamespace(ApiProblem):
    status, name, title = 403, "other-namespace", "The codec server decodes another namespace"


class Undecodable(ApiProblem):
    status, name, title = 400, "undecodable-payload", "A payload cannot be decoded"


class Access:
    """Who may use the server: programs by the token, browsers by a signed cookie that ends after SESSION_S."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def has_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def require(self, request: Request) -> None:
        """Raises NotAllowed."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.has_token(given.strip()):
            return
        if self.session_end(request.cookies.get(COOKIE, "")) is None:
            raise NotAllowed(
                "send the codec server's token as `Authorization: Bearer`, or log in on its page `/`",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def new_session(self) -> str:
        ends = str(int(time.time()) + SESSION_S)
        return f"{ends}.{self._signature(ends)}"

    def session_end(self, cookie: str) -> datetime | None:
        """Return when the session ends; None for a session that has ended, or that is not ours."""
        ends, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._signature(ends).encode())
        if not genuine or int(ends) < time.time():
            return None
        return datetime.fromtimestamp(int(ends), UTC)

    def _signature(self, ends: str) -> str:
        return hmac.new(self._token, f"session until {ends}".encode(), sha256).hexdigest()


class PagesOfUi:
    """Lets pages of the Temporal UI read the answers (CORS), and refuses requests from pages of any other origin."""

    def __init__(self, app: ASGIApp, ui_origin: str) -> None:
        self._app = app
        self._others = SameOrigin(app)
        self._ui_origin = ui_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or Headers(scope=scope).get("origin") != self._ui_origin:
            await self._others(scope, receive, send)
            return
        allowed = {**CORS, "Access-Control-Allow-Origin": self._ui_origin, "Vary": "Origin"}
        if scope["method"] == "OPTIONS":
            await Response(status_code=HTTPStatus.NO_CONTENT, headers=allowed)(scope, receive, send)
            return

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(allowed)
            await send(message)

        await self._app(scope, receive, readable)


def main(settings: Settings) -> None:
    """Run until SIGTERM. Raises CannotRun: the settings lack the keys or the token."""
    app = codec_app(settings)
    asyncio.run(_serve(app, settings, stop_event()))


async def _serve(app: ASGIApp, settings: Settings, stop: threading.Event) -> None:
    address = urlsplit(settings.codec_server_url)
    config = uvicorn.Config(
        app,
        host=address.hostname or "127.0.0.1",
        port=address.port or 80,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    await AnnouncedServer(config, settings, stop).serve()


def codec_app(settings: Settings) -> ASGIApp:
    """Raises CannotRun: the settings lack the keys or the token."""
    if settings.payload_keys is None:
        raise CannotRun(f"{PREFIX}TEMPORAL_PAYLOAD_KEYS is not set, so no payload is encrypted: nothing to decode")
    if settings.codec_token is None:
        raise CannotRun(f"{PREFIX}CODEC_TOKEN is not set: everybody who reaches the codec server could read payloads")
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"metrics": False, "logs": False, "operation_spans": False},
    )
    access, ui = Access(settings.codec_token.get_secret_value()), settings.temporal_ui_url
    codec = _codec_routes(EncryptingCodec(settings.payload_keys), access, settings.temporal_namespace)
    app.include_router(codec, max_body_size=BODY_LIMIT)
    app.include_router(_login_routes(access, secure=ui.startswith("https:")), max_body_size=LOGIN_LIMIT)
    add_exception_handlers(app)
    # Starlette runs the middleware that was added last first.
    app.add_middleware(RequestLimit, limit=MAX_REQUESTS)
    app.add_middleware(BodyGuard, limit=BODY_LIMIT)
    app.add_middleware(PagesOfUi, ui_origin=ui)
    own = urlsplit(settings.codec_server_url).hostname or "localhost"
    more_hosts = filter(None, settings.codec_server_hosts.split(","))
    app.add_middleware(AllowedHosts, hosts=[*LOOPBACK_HOSTS, own, *more_hosts])

    async def secured(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, with_security_headers(send))

    return secured


Convert = Callable[[Iterable[Payload]], list[Payload]]


def _codec_routes(codec: EncryptingCodec, access: Access, namespace: str) -> APIRouter:
    routes = APIRouter()

    async def converted(request: Request, convert: Convert) -> Response:
        # Before the body is read: only those who may use the server take its memory.
        access.require(request)
        if request.headers.get("x-namespace", namespace) != namespace:
            raise OtherNamespace(f"this codec server has the keys of the namespace '{namespace}'")
        return JSONResponse(await run_in_threadpool(_converted, await request.body(), convert))

    @routes.post("/decode")
    async def decode(request: Request) -> Response:
        return await converted(request, codec.decrypted)

    @routes.post("/encode")
    async def encode(request: Request) -> Response:
        return await converted(request, codec.encrypted)

    @routes.get("/healthz")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    return routes


def _converted(body: bytes, convert: Convert) -> dict[str, Any]:
    try:
        payloads = json_format.Parse(body, Payloads(), ignore_unknown_fields=True).payloads
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest.of_field("body", 'is not {"payloads": [...]} in the JSON of protocol buffers') from error
    try:
        return {"payloads": [json_format.MessageToDict(payload) for payload in convert(payloads)]}
    except UnreadablePayload as error:
        raise Undecodable(str(error)) from error


def _login_routes(access: Access, *, secure: bool) -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    async def page(request: Request) -> Response:
        return _page(access.session_end(request.cookies.get(COOKIE, "")))

    @routes.post("/login")
    async def login(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("latin-1"))
        if not access.has_token(form.get("token", [""])[0]):
            return _page(None, refused=True)
        logged_in = RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
        keep = partial(logged_in.set_cookie, httponly=True, samesite="strict", secure=secure, max_age=SESSION_S)
        keep(COOKIE, access.new_session())
        return logged_in

    return routes


def _page(session_end: datetime | None, *, refused: bool = False) -> HTMLResponse:
    if session_end is None:
        said = '<p role="alert">This is not the token.</p>' if refused else ""
        field = '<label>Token <input name="token" type="password" autocomplete="current-password" required></label>'
        content = f'{said}<form method="post" action="/login">{field} <button>Log in</button></form>'
    else:
        content = (
            f"<p>You are logged in until {session_end:%H:%M} UTC. If the Temporal UI does not show payloads, open its"
            " codec server settings, use your browser's setting, enter the address of this page as the endpoint, and"
            " include cross-origin credentials.</p>"
        )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>twinsaga codec server</title>'
    return HTMLResponse(
        f"{head}<main><h1>Codec server</h1>{content}</main></html>",
        status_code=HTTPStatus.UNAUTHORIZED if refused else HTTPStatus.OK,
        headers=FORM_POLICY,
    )
