"""A workflow publishes an event.

In the workflow: `await publish(OutgoingEvent(topic="invoices", key=invoice_id, type="invoice.paid", ...))`.
In the worker: `Worker(..., plugins=[KafkaPublishingPlugin(KafkaPublishing(EventProducer(kafka.producer)))])`.

`docs/bridges/workflow_into_kafka.md` says what is guaranteed when which side dies.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.kafka.connection import KafkaConnection, UnsuitableClient
    from twinsaga_bridges.kafka.outgoing import OutgoingEvent, publish, publish_before_close, with_cause
    from twinsaga_bridges.kafka.producer import EventProducer, Unsendable
    from twinsaga_bridges.kafka.publish_activity import KafkaPublishing, KafkaPublishingPlugin

__all__ = [
    "EventProducer",
    "KafkaConnection",
    "KafkaPublishing",
    "KafkaPublishingPlugin",
    "OutgoingEvent",
    "Unsendable",
    "UnsuitableClient",
    "publish",
    "publish_before_close",
    "with_cause",
]
