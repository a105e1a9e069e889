"""Writes one log line and three metrics per request. They contain the route and the order id, no other input."""

import time

import structlog
from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_UNROUTED = "none"
_CLIENT_LEFT = 499
_FAILED = 500
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def note_orders(request: Request, *order_ids: str) -> None:
    """Name the orders of a request on its log lines, and on its span."""
    named = order_ids[0] if len(order_ids) == 1 else list(order_ids)
    structlog.contextvars.bind_contextvars(order_id=named)
    request.state.order_ids = named
    trace.get_current_span().set_attribute("order.id" if len(order_ids) == 1 else "order.ids", named)


class HttpMetrics:
    """With a registry of its own, so that two apps in one process do not register the same metrics twice."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twinsaga_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "twinsaga_http_request_seconds",
            "Duration from the start of the request to the end of the response",
            ["method", "route"],
            registry=self.registry,
        )
        self.under_way = Gauge("twinsaga_http_requests_under_way", "Requests being processed", registry=self.registry)


class MetricsMiddleware:
    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _CLIENT_LEFT
        began = time.perf_counter()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.under_way.track_inprogress():
            try:
                await self._app(scope, receive, send_noting_status)
            except Exception:
                status = _FAILED
                raise
            finally:
                self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # Unknown paths share one label: a scanner would otherwise create a time series for each path that it tries.
        route = getattr(scope.get("route"), "path", _UNROUTED)
        method = scope["method"] if route != _UNROUTED else _UNROUTED
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        write = log.debug if route in _QUIET else log.info
        write(
            "request answered",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            order_id=scope.get("state", {}).get("order_ids"),
        )
