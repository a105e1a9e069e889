"""A workflow publishes an event.

In the workflow: `await publish(OutgoingEvent(topic="invoices", key=invoice_id, type="invoice.paid", ...))`.
In the worker: `Worker(..., plugins=[KafkaPublishingPlugin(KafkaPublishing(connect))])`.

`docs/bridges/workflow_into_kafka.md` says what is guaranteed when which side dies.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.kafka.headers import CAUSED_BY, TRACEPARENT, header_of
    from twinsaga_bridges.kafka.producer import ACK_DEADLINE_S, EventProducer, OutgoingEvent, Unsendable
    from twinsaga_bridges.kafka.publish_activity import ACTIVITY, KafkaPublishing, KafkaPublishingPlugin

__all__ = [
    "EventProducer",
    "KafkaPublishing",
    "KafkaPublishingPlugin",
    "OutgoingEvent",
    "Unsendable",
    "publish",
    "with_cause",
]

ONE_ATTEMPT = timedelta(seconds=2 * ACK_DEADLINE_S)
PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))


async def publish(
    event: OutgoingEvent, *, within: timedelta | None = None, task_queue: str | None = None, summary: str | None = None
) -> str:
    """Publish the event, and return its id once the broker has acknowledged it.

    The id is derived from workflow, run and activity, so that every retry is a duplicate that consumers can drop.
    It is tried for ever, or `within` a time. `task_queue`: that of a worker with the plugin, if not the workflow's own.

    Raises:
        ActivityError: it was not acknowledged in time, or no retry helps: it is no JSON, or too large.
    """
    published: str = await workflow.execute_activity(
        ACTIVITY,
        with_cause(event),
        result_type=str,
        task_queue=task_queue,
        start_to_close_timeout=ONE_ATTEMPT,
        schedule_to_close_timeout=within,
        retry_policy=PATIENT,
        summary=summary or f"publish {event.type} to {event.topic}",
    )
    return published


def with_cause(event: OutgoingEvent) -> OutgoingEvent:
    """Name the event that `kafka_into_workflow` started this workflow with, unless the event names a cause itself.

    `publish` does it; call it where one workflow prepares what another one publishes.
    """
    headers = workflow.info().headers
    return replace(
        event,
        caused_by=event.caused_by or header_of(headers, CAUSED_BY),
        traceparent=event.traceparent or header_of(headers, TRACEPARENT),
    )
