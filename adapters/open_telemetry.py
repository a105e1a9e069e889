"""The spans of `messaging.tracing` as spans of OpenTelemetry."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from messaging.tracing import ERROR_TYPE, Attributes, Kind, Span

_KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
    "server": SpanKind.SERVER,
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
}
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class OtelSpan(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @contextmanager
    def current(self) -> Iterator[None]:
        token = contexts.attach(trace.set_span_in_context(self._span))
        try:
            yield
        finally:
            contexts.detach(token)

    def event(self, name: str, error: BaseException | None = None) -> None:
        self._span.add_event(name, None if error is None else {ERROR_TYPE: type(error).__name__})

    def end(self, error: object = None) -> None:
        if isinstance(error, BaseException):
            self._span.set_attribute(ERROR_TYPE, type(error).__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            contexts.detach(self._token)
        self.end(error)


class QuicklyHashedResource(Resource):
    """The exporter hashes it for each span. The hash of the base class encodes all attributes as JSON."""

    def __hash__(self) -> int:
        return hash(self.schema_url)


class OtelTracer:
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def span(self, name: str, kind: Kind, parent: str | None, link: str | None, attributes: Attributes) -> Span:
        linked = None if link is None else span_context_of(link)
        return OtelSpan(
            self._tracer.start_span(
                name,
                context=_context_of(parent),
                kind=_KINDS[kind],
                attributes=attributes,
                links=[Link(linked)] if linked is not None else None,
            )
        )

    def current(self) -> Span:
        return OtelSpan(trace.get_current_span())

    def note(self, attributes: Attributes) -> None:
        span = trace.get_current_span()
        for name, value in attributes.items():  # its `set_attributes` takes twice as long for a few
            span.set_attribute(name, value)

    def trace_id(self) -> str | None:
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None


def span_context_of(traceparent: str | None) -> SpanContext | None:
    """Read W3C Trace Context. None for an invalid one."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return None
    _, trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None


def _context_of(traceparent: str | None) -> Context | None:
    """None: the current context."""
    context = None if traceparent is None else span_context_of(traceparent)
    return None if context is None else trace.set_span_in_context(NonRecordingSpan(context), Context())
