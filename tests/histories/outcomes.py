"""Outcomes in memory instead of on Kafka, with the plugin of the saga worker."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka.errors import KafkaConnectionError

from processes.saga_worker.serve import outcomes_plugin
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, KafkaPublishingPlugin, OutgoingEvent


class PublishedEvents(EventProducer):
    """Keeps the events. Its first `faults` calls fail, as while Kafka is away."""

    def __init__(self, faults: int = 0) -> None:
        self.events: list[OutgoingEvent] = []
        self._faults = faults

    def send(self, event: OutgoingEvent) -> None:
        if self._faults > 0:
            self._faults -= 1
            raise KafkaConnectionError
        self.events.append(event)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def outcomes_into(events: EventProducer) -> Iterator[KafkaPublishingPlugin]:
    with closing(KafkaPublishing(events)) as publishing:
        yield outcomes_plugin(publishing)
