"""A collector for tests: receives spans by OTLP over HTTP, in a thread of the test process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

SHORT_DELAY_MS = "100"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """`events` and `links` by their names and by the ids of their traces; times in seconds."""

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


class Collector:
    def __init__(self) -> None:
        self._spans: list[ReceivedSpan] = []
        self._lock = threading.Lock()
        self.raw: list[bytes] = []

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            ReceivedSpan.read(_process_of(resource), span)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self.raw.append(body)
            self._spans += found

    @property
    def spans(self) -> list[ReceivedSpan]:
        with self._lock:
            return list(self._spans)

    def of_order(self, order_id: str) -> list[ReceivedSpan]:
        """Every span of the traces that the order appears in."""
        spans = self.spans
        traces = {span.trace_id for span in spans if span.attributes.get("order.id") == order_id}
        return [span for span in spans if span.trace_id in traces]


def _process_of(resource: Any) -> str:  # noqa: ANN401 - generated code
    return str({pair.key: _value(pair.value) for pair in resource.resource.attributes}.get("service.name"))


def _value(value: Any) -> Any:  # noqa: ANN401 - one of several types
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


@contextmanager
def collector() -> Iterator[tuple[Collector, Mapping[str, str]]]:
    """Run a collector; yield it with the variables that make processes send to it."""
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path != "/v1/traces":  # the embedded broker sends metrics
                self.send_error(404)
                return
            received.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield (
                received,
                {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                    "OTEL_BSP_SCHEDULE_DELAY": SHORT_DELAY_MS,
                },
            )
        finally:
            server.shutdown()
            thread.join()
