"""Prometheus metrics that are read at each scrape: how far a consumer group is behind, what waits in a database."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from messaging.kafka.lag import GroupLag, Stalls
from messaging.sql.consuming import ConsumingService
from messaging.unit_of_work import Clock

FRESH_S = 1.0
"""Scrapes within this time get the last answer again, so that frequent scrapes do not load broker and database."""

STALLED = "Time since the committed offset moved, as seen by the scrapes; 0 if no message waits"

Measure = Callable[[], Sequence[GaugeMetricFamily]]


@dataclass(frozen=True, slots=True)
class Source:
    """A server that is asked at a scrape. `away`: the errors of `measure` while it does not answer."""

    name: str
    away: tuple[type[Exception], ...]
    measure: Measure


class ScrapedMetrics(Collector):
    """Leaves out the metrics of a source that does not answer, and sets its `twinsaga_source_up` to 0."""

    def __init__(self, service: str, sources: Sequence[Source]) -> None:
        self._service = service
        self._sources = sources
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
        measured: list[GaugeMetricFamily] = []
        up = service_gauge("twinsaga_source_up", "1 if the source answered, 0 if its metrics are missing", "source")
        for source in self._sources:
            try:
                measured += source.measure()
                up.add_metric([self._service, source.name], 1)
            except source.away as away:
                self._log.warning("not measured", source=source.name, error=repr(away))
                up.add_metric([self._service, source.name], 0)
        return [*measured, up]


def consumer_source(service: str, lag: GroupLag) -> Source:
    """The lag of the consumer group of a process."""
    stalls: Stalls[TopicPartition] = Stalls()

    def measure() -> Sequence[GaugeMetricFamily]:
        waiting = service_gauge(
            "twinsaga_consumer_lag", "Messages that the group has not committed", "topic", "partition"
        )
        stalled = service_gauge("twinsaga_consumer_stalled_seconds", STALLED, "topic", "partition")
        positions = lag.positions()
        for partition, seconds in stalls.note(positions).items():
            labels = [service, partition.topic, str(partition.partition)]
            waiting.add_metric(labels, positions[partition].waiting)
            stalled.add_metric(labels, seconds)
        return waiting, stalled

    return Source("kafka", (KafkaError,), measure)


def waiting_in(consuming: ConsumingService[Any], clock: Clock) -> Sequence[GaugeMetricFamily]:
    """What waits in the database of a service. Raises DatabaseFault."""
    parked = service_gauge("twinsaga_parked_messages", "Messages that wait for their next attempt")
    age = service_gauge("twinsaga_outbox_age_seconds", "Age of the oldest unpublished event, 0 if all are published")
    oldest = consuming.outbox.oldest_waiting_at()
    parked.add_metric([consuming.name], consuming.parked.count())
    age.add_metric([consuming.name], max(0.0, (clock() - oldest).total_seconds()) if oldest is not None else 0.0)
    return parked, age


def service_gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=["service", *labels])
