"""One log line and three measures for each request. Of what was asked, only the route and the order's id are kept."""

import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_UNROUTED = "none"
_CLIENT_LEFT = 499
_FAILED = 500
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Measures:
    """Kept per app, not per process, so that two apps in one process do not disturb each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twinsaga_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "twinsaga_http_request_seconds",
            "From the first byte asked to the last answered",
            ["method", "route"],
            registry=self.registry,
        )
        self.under_way = Gauge("twinsaga_http_requests_under_way", "Requests being answered", registry=self.registry)


class MetricsMiddleware:
    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _CLIENT_LEFT
        began = time.perf_counter()

        async def listen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._measures.under_way.track_inprogress():
            try:
                await self._app(scope, receive, listen)
            except Exception:
                status = _FAILED
                raise
            finally:
                self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _UNROUTED)
        method = scope["method"] if route != _UNROUTED else _UNROUTED
        self._measures.requests.labels(method, route, str(status)).inc()
        self._measures.seconds.labels(method, route).observe(seconds)
        write = log.debug if route in _QUIET else log.info
        write(
            "request answered",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            order_id=scope.get("state", {}).get("order_ids"),
        )
