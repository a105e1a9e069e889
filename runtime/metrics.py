"""Serves the metrics of a process to Prometheus, by the client library's own server: docs/operations.md."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from runtime.errors import CannotRun
from runtime.settings import Settings


@contextmanager
def metrics_served(settings: Settings, *collectors: Collector) -> Iterator[None]:
    """Serve `GET /metrics` within the block, if the settings name a port: what the process counts, and `collectors`.

    Raises CannotRun: the port is in use.
    """
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    for collector in (REGISTRY, *collectors):
        registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise CannotRun(f"metrics cannot be served at {host}:{port}: {error.strerror}") from error
    # A child of the Celery worker may outlive it for a moment, and would keep the port.
    os.register_at_fork(after_in_child=server.socket.close)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
