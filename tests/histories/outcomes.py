"""Outcomes in memory instead of on Kafka, with the plugin of the saga worker."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from processes.saga_worker.serve import outcomes_plugin
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, KafkaPublishingPlugin


@contextmanager
def outcomes_into(events: EventProducer) -> Iterator[KafkaPublishingPlugin]:
    with closing(KafkaPublishing(events)) as publishing:
        yield outcomes_plugin(publishing)
