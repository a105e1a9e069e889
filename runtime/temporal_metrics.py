"""The metrics of Temporal's SDK, at the one metrics address of a process: decision 27."""

import socket
from collections.abc import Iterable
from contextlib import closing
from urllib.request import urlopen

import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from runtime.settings import Settings

LOOPBACK = "127.0.0.1"
READ_DEADLINE_S = 2.0
_ATTEMPTS = 10

log = structlog.get_logger(__name__)


class TemporalMetrics(Collector):
    """Connect with `runtime`. The SDK aggregates in Rust and serves the result on a loopback port, read at each scrape.

    Without a metrics port there is neither: `runtime` is None, and the SDK measures nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self.runtime: Runtime | None = None
        if settings.metrics_port is not None:
            self.runtime, self._address = _measuring_runtime()

    def collect(self) -> Iterable[Metric]:
        if self.runtime is None:
            return []
        try:
            with urlopen(f"http://{self._address}/metrics", timeout=READ_DEADLINE_S) as answer:
                return list(text_string_to_metric_families(answer.read().decode()))
        except OSError as away:
            log.warning("not measured", source="temporal sdk", error=repr(away))
            return []


def _measuring_runtime() -> tuple[Runtime, str]:
    """The SDK does not say which port it took, so name one. Another program may take it first: try again."""
    for attempts_left in reversed(range(_ATTEMPTS)):
        address = f"{LOOPBACK}:{_free_port()}"
        metrics = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            return Runtime(telemetry=TelemetryConfig(metrics=metrics, attach_service_name=False)), address
        except ValueError:
            if not attempts_left:
                raise
    raise AssertionError("unreachable")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
