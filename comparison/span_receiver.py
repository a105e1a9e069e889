"""Receives spans by OTLP over HTTP, in a thread of this process: docs/decisions/0028.

It is for the processes of a stack that this command has started. Any other program of the machine can reach its port,
so it reads bounded bodies only and keeps a bounded number of spans.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

PATH = "/v1/traces"
MAX_BODY_BYTES = 4 * 2**20
"""A batch of OpenTelemetry's SDK has at most 512 spans, of about 500 bytes each."""

MAX_SPANS = 20_000
MAX_BYTES = 32 * 2**20
IDLE_S = 10.0
SENT_AT_ONCE: Mapping[str, str] = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
"""In milliseconds. By default a process sends its spans every five seconds."""

_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})

TakeBody = Callable[[bytes], None]
"""Takes the body of one export. Raises DecodeError if it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """`events` by their names, `links` by the ids of their traces. Times are Unix times in seconds.

    An attribute that is neither text, a number nor a truth value is None.
    """

    process: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    attributes: Mapping[str, Any]
    events: Sequence[str]
    links: Sequence[str]
    failed: bool
    began: float
    ended: float

    @classmethod
    def read(cls, process: str, span: WireSpan) -> "ReceivedSpan":
        return cls(
            process=process,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            name=span.name,
            attributes={pair.key: _value(pair.value) for pair in span.attributes},
            events=[event.name for event in span.events],
            links=[link.trace_id.hex() for link in span.links],
            failed=span.status.code == Status.STATUS_CODE_ERROR,
            began=span.start_time_unix_nano / 1e9,
            ended=span.end_time_unix_nano / 1e9,
        )


class SpanCollector:
    """Keeps what it is given, up to `max_spans` spans and `max_bytes` of encoded ones. Drops all that come later."""

    def __init__(self, *, max_spans: int = MAX_SPANS, max_bytes: int = MAX_BYTES) -> None:
        self._spans: list[ReceivedSpan] = []
        self._spans_left = max_spans
        self._bytes_left = max_bytes
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        """Raises DecodeError."""
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            (_process_of(resource), span)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans_left -= len(found)
            self._bytes_left -= len(body)
            if min(self._spans_left, self._bytes_left) >= 0:
                self._spans += [ReceivedSpan.read(process, span) for process, span in found]

    @property
    def spans(self) -> list[ReceivedSpan]:
        with self._lock:
            return list(self._spans)

    def of_order(self, order_id: str) -> list[ReceivedSpan]:
        """Every span of the traces that the order appears in."""
        spans = self.spans
        traces = {span.trace_id for span in spans if span.attributes.get("order.id") == order_id}
        return [span for span in spans if span.trace_id in traces]


@contextmanager
def span_receiver(take: TakeBody) -> Iterator[Mapping[str, str]]:
    """Receive spans on a free port during the block; yield the variables that make a process send its spans here.

    They replace those of this process's own environment: spans, and the headers with which a collector is authorised,
    go to no other place.
    """
    with _Server(take) as server:
        thread = threading.Thread(target=server.serve_forever, name="spans", daemon=True)
        thread.start()
        try:
            yield {
                "OTEL_SDK_DISABLED": "false",
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_TRACES_SAMPLER": "parentbased_always_on",
                "OTEL_SERVICE_NAME": "",
                "OTEL_RESOURCE_ATTRIBUTES": "",
                "OTEL_EXPORTER_OTLP_HEADERS": "",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{server.server_port}{PATH}",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "",
            }
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, take: TakeBody) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.take = take


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def handle(self) -> None:
        with suppress(ConnectionError):  # the process at the other end was killed
            super().handle()

    def do_POST(self) -> None:
        self._answer(self._taken())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's
        """No line for each request."""

    def _taken(self) -> HTTPStatus:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()):
            return HTTPStatus.LENGTH_REQUIRED
        if len(length) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = self.rfile.read(int(length))
        if self.path != PATH:
            return HTTPStatus.NOT_FOUND
        try:
            self.server.take(body)
        except DecodeError:
            return HTTPStatus.BAD_REQUEST
        return HTTPStatus.OK

    def _answer(self, status: HTTPStatus) -> None:
        # The body of a refused request has not been read, so the connection cannot serve another one.
        self.close_connection = self.close_connection or status is not HTTPStatus.OK
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")  # an empty message: everything was accepted
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()


def _process_of(resource: Any) -> str:  # noqa: ANN401 - generated code
    return str({pair.key: _value(pair.value) for pair in resource.resource.attributes}.get("service.name"))


def _value(value: Any) -> str | bool | int | float | None:  # noqa: ANN401 - generated code
    """None for a list, a mapping and bytes."""
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _SCALARS else None
