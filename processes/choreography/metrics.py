"""Prometheus metrics of a choreographed service: consumer lag, parked messages, age of the outbox."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from adapters.clock import utc_now
from adapters.kafka.lag import GroupLag, Stalls
from adapters.sql.faults import DATABASE_AWAY
from runtime.errors import CannotRun
from runtime.wiring import ConsumingService
from services.unit_of_work import Clock

FRESH_S = 1.0
"""Scrapes within this time get the last answer again, so that frequent scrapes do not load broker and database."""

STALLED = "Time since the committed offset moved, as seen by the scrapes; 0 if no message waits"


class ServiceMeasures(Collector):
    """Leaves out the metrics of a source that does not answer, and sets its `twinsaga_source_up` to 0."""

    def __init__(self, consuming: ConsumingService[Any], lag: GroupLag, clock: Clock = utc_now) -> None:
        self._consuming = consuming
        self._lag = lag
        self._clock = clock
        self._stalls: Stalls[TopicPartition] = Stalls()
        self._one_at_a_time = threading.Lock()
        self._last: Sequence[GaugeMetricFamily] = ()
        self._fresh_until = 0.0
        self._log = structlog.get_logger(__name__)

    def collect(self) -> Sequence[GaugeMetricFamily]:
        with self._one_at_a_time:
            if time.monotonic() > self._fresh_until:
                self._last = self._measured()
                self._fresh_until = time.monotonic() + FRESH_S
            return self._last

    def _measured(self) -> Sequence[GaugeMetricFamily]:
        name = self._consuming.name
        lag = _gauge("twinsaga_consumer_lag", "Messages that the group has not committed", "topic", "partition")
        stalled = _gauge("twinsaga_consumer_stalled_seconds", STALLED, "topic", "partition")
        parked = _gauge("twinsaga_parked_messages", "Messages that wait for their next attempt")
        age = _gauge("twinsaga_outbox_age_seconds", "Age of the oldest unpublished event, 0 if all are published")
        up = _gauge("twinsaga_source_up", "1 if the source answered, 0 if its metrics are missing", "source")
        try:
            parked.add_metric([name], self._consuming.parked.count())
            age.add_metric([name], self._outbox_age_s())
            up.add_metric([name, "database"], 1)
        except DATABASE_AWAY as away:
            self._log.warning("not measured", source="database", error=str(away))
            up.add_metric([name, "database"], 0)
        try:
            positions = self._lag.positions()
            for partition, seconds in self._stalls.note(positions).items():
                labels = [name, partition.topic, str(partition.partition)]
                lag.add_metric(labels, positions[partition].waiting)
                stalled.add_metric(labels, seconds)
            up.add_metric([name, "kafka"], 1)
        except KafkaError as away:
            self._log.warning("not measured", source="kafka", error=repr(away))
            up.add_metric([name, "kafka"], 0)
        return lag, stalled, parked, age, up

    def _outbox_age_s(self) -> float:
        oldest = self._consuming.outbox.oldest_waiting_at()
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest is not None else 0.0


@contextmanager
def metrics_served(host: str, port: int | None, measures: Collector) -> Iterator[None]:
    """Serve `GET /metrics` within the block, if there is a port. Raises CannotRun: the port is in use."""
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(measures)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise CannotRun(f"metrics cannot be served at {host}:{port}: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=["service", *labels])
