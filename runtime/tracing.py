"""Turns traces on in a process, if the standard `OTEL_*` variables name an exporter: docs/tracing.md.

OpenTelemetry is imported only then: its SDK takes a third of a second.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from messaging import tracing
from runtime.settings import Exporter, trace_exporters

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider

NAMESPACE = "twinsaga"
FLUSH_S = 2.0
"""For the last spans, at the end of a process. A collector may not answer."""


@contextmanager
def traces(process: str, *, runs_workflows: bool = False) -> Iterator[None]:
    """Send the spans of this process to the exporters of the environment during the block; without one do nothing.

    `runs_workflows`: a replay makes no spans again. Raises CannotRun: a variable names something unknown.
    """
    exporters = trace_exporters()
    if not exporters:
        yield
        return
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above
    from opentelemetry.trace import set_tracer_provider  # noqa: PLC0415

    from adapters.open_telemetry import OtelTracer  # noqa: PLC0415

    provider = _provider(process, runs_workflows=runs_workflows)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    set_tracer_provider(provider)
    tracing.trace_with(OtelTracer(provider.get_tracer(NAMESPACE)))
    try:
        yield
    finally:
        tracing.trace_with(None)
        flush = threading.Thread(target=provider.shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_S)


def _provider(process: str, *, runs_workflows: bool) -> "TracerProvider | ReplaySafeTracerProvider":
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    from adapters.open_telemetry import QuicklyHashedResource  # noqa: PLC0415

    ours = Resource.create({"service.name": process, "service.namespace": NAMESPACE})
    merged = ours.merge(OTELResourceDetector().detect())  # what the environment says takes precedence
    resource = QuicklyHashedResource(merged.attributes, merged.schema_url)
    if not runs_workflows:
        return TracerProvider(resource=resource, shutdown_on_exit=False)
    from temporalio.contrib.opentelemetry import create_tracer_provider  # noqa: PLC0415

    return create_tracer_provider(resource=resource, shutdown_on_exit=False)


def _exporter(name: Exporter) -> "SpanExporter":
    """They read their address, headers and deadline from the environment themselves."""
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - see above

        return ConsoleSpanExporter()
    if name == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc  # noqa: PLC0415

        return ByGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp  # noqa: PLC0415

    return ByHttp()
