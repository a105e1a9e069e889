"""Spans of what is done for one key, for any tracer.

Traces are off until `trace_with` is called. Until then each call here costs less than a microsecond, and OpenTelemetry,
whose import takes a tenth of a second, is not imported.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Literal, Protocol, Self

STYLE: Final = "saga.style"
CHOREOGRAPHED: Final = "choreographed"
"""The style of whatever is done by messages: in an orchestrated saga there are only commands."""

STEP: Final = "saga.step"
ATTEMPT: Final = "saga.attempt"
ERROR_TYPE: Final = "error.type"

Kind = Literal["internal", "client", "server", "consumer", "producer"]
Attributes = Mapping[str, str | int]


class Span:
    """A span that is current within its block, and ends with it. This one, of traces that are off, does nothing."""

    @property
    def traceparent(self) -> str | None:
        """W3C Trace Context, for what follows from this span in another process."""
        return None

    def current(self) -> AbstractContextManager[object]:
        """Make it the current span within the block, without ending it."""
        return nullcontext()

    def event(self, name: str, error: BaseException | None = None) -> None:
        """Add something that happened during the span, with the class of the error that brought it about."""

    def end(self, error: object = None) -> None:
        """`error`: the exception by which it failed. Other objects are ignored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Implements the functions below while traces are on."""

    def span(self, name: str, kind: Kind, parent: str | None, link: str | None, attributes: Attributes) -> Span: ...
    def current(self) -> Span: ...
    def note(self, attributes: Attributes) -> None: ...
    def trace_id(self) -> str | None: ...


class _Traces:
    tracer: Tracer | None = None


OFF = Span()


def trace_with(tracer: Tracer | None) -> None:
    """Turn traces on for this process, or off again."""
    _Traces.tracer = tracer


def are_on() -> bool:
    return _Traces.tracer is not None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    link: str | None = None,
    attributes: Attributes | None = None,
) -> Span:
    """Begin a span below the current one, or below the span of another process.

    An exception that leaves its block marks it as failed, by its class: the text may quote a customer's data.

    Args:
        name: the same for every key.
        kind: of OpenTelemetry.
        parent: traceparent of a span in another process.
        link: traceparent of a trace that caused this span without being the key's.
        attributes: never a name, an address or a token.
    """
    tracer = _Traces.tracer
    return OFF if tracer is None else tracer.span(name, kind, parent, link, attributes or {})


def current() -> Span:
    tracer = _Traces.tracer
    return OFF if tracer is None else tracer.current()


def event(name: str, error: BaseException | None = None) -> None:
    """Add an event to the current span: see `Span.event`."""
    if _Traces.tracer is not None:
        _Traces.tracer.current().event(name, error)


def note(attributes: Attributes) -> None:
    """Add attributes to the current span."""
    if _Traces.tracer is not None:
        _Traces.tracer.note(attributes)


def traceparent() -> str | None:
    """W3C Trace Context of the current span; None without one."""
    return current().traceparent


def trace_id_of(traceparent: str) -> str:
    """Return the id that a valid W3C Trace Context contains."""
    return traceparent.split("-")[1]


def trace_id() -> str | None:
    return None if _Traces.tracer is None else _Traces.tracer.trace_id()
