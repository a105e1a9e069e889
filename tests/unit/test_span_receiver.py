"""The receiver of spans: what it keeps, and what it refuses. Real processes send to it in test_tracing.py."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from comparison.span_receiver import MAX_BODY_BYTES, SpanCollector, span_receiver

ADDRESS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def export(*names: str) -> bytes:
    spans = [Span(name=name, trace_id=b"t" * 16, span_id=name.encode()[:8].ljust(8)) for name in names]
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
    body: bytes = request.SerializeToString()
    return body


@contextmanager
def receiving(collector: SpanCollector) -> Iterator[str]:
    with span_receiver(collector.take) as variables:
        yield variables[ADDRESS]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/traces", export("one"), 200),
        ("/v1/traces", b"", 200),
        ("/v1/traces", b"\xff\xff", 400),
        ("/v1/metrics", export("one"), 404),
    ],
    ids=["an export", "an empty export", "no export", "another path"],
)
def test_only_exports_of_traces_are_taken(path: str, body: bytes, status: int) -> None:
    collector = SpanCollector()
    with receiving(collector) as address:
        answer = httpx.post(address.replace("/v1/traces", path), content=body)

    assert answer.status_code == status
    assert [span.name for span in collector.spans] == (["one"] if body == export("one") and status == 200 else [])


@pytest.mark.parametrize("length", ["", "-1", "1e3", str(MAX_BODY_BYTES + 1), "9" * 400])
def test_a_body_without_an_acceptable_length_is_not_read(length: str) -> None:
    with receiving(SpanCollector()) as address:
        url = urlsplit(address)
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            answer = connection.makefile("rb").read()

    assert answer.startswith((b"HTTP/1.1 411 ", b"HTTP/1.1 413 "))


def test_spans_are_kept_up_to_a_limit() -> None:
    collector = SpanCollector(max_spans=3)

    collector.take(export("a", "b"))
    collector.take(export("c", "d"))
    collector.take(export("e"))

    assert [span.name for span in collector.spans] == ["a", "b"]


def test_spans_are_kept_up_to_a_limit_of_bytes() -> None:
    collector = SpanCollector(max_bytes=2 * len(export("a")))

    for name in ("a", "b", "c"):
        collector.take(export(name))

    assert [span.name for span in collector.spans] == ["a", "b"]


def test_variables_of_the_user_do_not_lead_spans_or_secrets_elsewhere() -> None:
    with span_receiver(SpanCollector().take) as variables:
        assert variables[ADDRESS].startswith("http://127.0.0.1:")
        assert variables["OTEL_EXPORTER_OTLP_HEADERS"] == variables["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] == ""
        assert variables["OTEL_TRACES_EXPORTER"] == "otlp"
