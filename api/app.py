"""Builds the FastAPI app: routes, exception handlers, body limits and metrics around the given dependencies."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from api.body_limits import BODY_LIMIT, BodyGuard
from api.callers import Callers
from api.dependencies import Dependencies
from api.event_streams import Durations
from api.exception_handlers import add_exception_handlers
from api.guarded_routes import add_security
from api.head_requests import HeadAsGet
from api.hosts import LOOPBACK_HOSTS, AllowedHosts
from api.problems import documented
from api.rate_limit import RateLimit
from api.request_limit import RequestLimit
from api.request_metrics import HttpMetrics, MetricsMiddleware
from api.routers import (
    controls,
    dead_letters,
    docs,
    interventions,
    operations,
    orders,
    page,
    placing,
    products,
    sign_in,
    timelines,
    users,
    videos,
)
from api.same_origin import SameOrigin
from api.security_headers import with_security_headers
from api.uploads import UploadSlots

ANY_PROBLEM = documented("default")
"""So that FastAPI does not document a 422 of its own, in another format, for every route with a parameter."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            add_security(super().openapi())
        return super().openapi()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Here, not in a middleware: Starlette answers unexpected errors outside of ours.
        await super().__call__(scope, receive, with_security_headers(send))


def create_app(
    dependencies: Dependencies, *, hosts: Sequence[str] = LOOPBACK_HOSTS, lifespan: Lifespan | None = None
) -> FastAPI:
    """`hosts`: the names that the API answers to, without ports; `*.example.com` stands for all names below it."""
    app = _Api(
        title="twinsaga",
        summary="One order saga, run two ways on real engines.",
        version=version("twinsaga"),
        lifespan=lifespan,
        docs_url=None,  # our own, in routers/docs.py
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": _only_reads},
    )
    app.state.dependencies = dependencies
    app.state.callers = Callers(
        dependencies.keys,
        dependencies.sessions,
        RateLimit(dependencies.requests_per_minute),
        page_key=dependencies.page_key,
    )
    app.state.metrics = HttpMetrics()
    app.state.live_orders = timelines.live_orders(dependencies)
    app.state.stream_durations = Durations()
    app.state.upload_slots = UploadSlots()
    resources = [
        products,
        placing,
        orders,
        timelines,
        interventions,
        dead_letters,
        users,
        operations,
        page,
        sign_in,
        docs,
    ]
    if dependencies.controls is not None:
        resources.append(controls)
    routers = [resource.router for resource in resources]
    if dependencies.simulated_gateway:
        routers.append(interventions.gateway)
    for router in routers:
        # Per router, not for the app: there the limit is outside of our middleware and turns its 413 into plain text.
        app.include_router(router, max_body_size=BODY_LIMIT, responses=ANY_PROBLEM)
    app.include_router(videos.router, max_body_size=dependencies.videos.max_bytes, responses=ANY_PROBLEM)
    app.mount("/static", page.assets)
    app.mount("/docs/assets", docs.assets)
    add_exception_handlers(app)
    # Starlette runs the middleware that was added last first: refused requests are counted, too.
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestLimit)
    app.add_middleware(BodyGuard, uploads={"/videos": dependencies.videos.max_bytes})
    app.add_middleware(SameOrigin)
    app.add_middleware(AllowedHosts, hosts=hosts)
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    return app


def _only_reads(scope: Scope) -> bool:
    """A trace shows what changes an order. Pages and probes, which read all the time, would drown that."""
    return scope.get("method") in {"GET", "HEAD"}
