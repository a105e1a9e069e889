"""Traces are set up once per process, so each test starts a process."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from runtime.errors import CannotRun
from runtime.settings import trace_exporters
from tests.support.otlp import Collector, collector
from tests.support.ports import free_port

PROGRAM = """
import sys
from messaging import tracing
from runtime.tracing import traces
with traces("payment-service"):
    with tracing.span("outer", attributes={"order.id": "o-1", tracing.ATTEMPT: 2}):
        print(tracing.traceparent())
        with tracing.span("inner"):
            tracing.note({tracing.STEP: "charge_payment"})
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("opentelemetry.")}))
"""
OTEL = "OTEL_"


def run(program: str, variables: Mapping[str, str]) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OTEL)}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**clean, **variables},
    )
    lines: list[str] = done.stdout.splitlines()
    return lines


@contextmanager
def grpc_collector() -> Iterator[tuple[Collector, Mapping[str, str]]]:
    received = Collector()

    class Servicer(TraceServiceServicer):
        def Export(self, request: object, _context: object) -> ExportTraceServiceResponse:  # noqa: N802 - the protocol's
            received.take(request.SerializeToString())  # type: ignore[attr-defined]
            return ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield (
            received,
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        )
    finally:
        server.stop(None)


@pytest.mark.parametrize("receiver", [collector, grpc_collector], ids=["http", "grpc"])
def test_the_standard_variables_turn_traces_on(receiver: object) -> None:
    with receiver() as (received, variables):  # type: ignore[operator]
        traceparent, _ = run(PROGRAM, variables)

    inner, outer = sorted(received.spans, key=lambda span: span.name)
    assert traceparent.startswith(f"00-{outer.trace_id}-{outer.span_id}-")
    assert (outer.process, outer.name, inner.parent_id) == ("payment-service", "outer", outer.span_id)
    assert outer.attributes == {"order.id": "o-1", "saga.attempt": 2}
    assert inner.attributes == {"saga.step": "charge_payment"}


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}],
    ids=["unset", "none"],
)
def test_without_an_exporter_opentelemetry_is_not_imported(variables: Mapping[str, str]) -> None:
    assert run(PROGRAM, variables) == ["None", "[]"]


def test_without_an_exporter_no_process_imports_the_sdk() -> None:
    program = (
        "import sys\n"
        "import processes.choreography.serve\n"
        "print('opentelemetry' in sys.modules)\n"
        "import processes.api.serve, processes.saga_worker.serve\n"
        "from runtime.temporal import _tracing_options\n"
        "print(_tracing_options(), 'opentelemetry.sdk.trace' in sys.modules)\n"
    )

    assert run(program, {}) == ["False", "{} False"]


def test_a_collector_that_does_not_answer_keeps_no_process_from_ending() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_TIMEOUT": "600"}

    traceparent, _ = run(PROGRAM, variables)

    assert traceparent.startswith("00-")


@pytest.mark.parametrize(
    ("variables", "exporters"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, ["http/protobuf"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ["http/protobuf"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, ["grpc"]),
        ({"OTEL_TRACES_EXPORTER": "otlp, console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["grpc", "console"]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, []),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, []),
    ],
    ids=["unset", "endpoint", "endpoint of traces", "grpc", "two", "none", "disabled"],
)
def test_exporters_are_those_of_the_variables(
    variables: Mapping[str, str], exporters: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_only(monkeypatch, variables)

    assert trace_exporters() == exporters


@pytest.mark.parametrize(
    "variables",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}],
    ids=["exporter", "protocol"],
)
def test_an_unknown_exporter_or_protocol_is_refused(
    variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_only(monkeypatch, variables)

    with pytest.raises(CannotRun, match=r"zipkin|http/json"):
        trace_exporters()


def set_only(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(OTEL)]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
