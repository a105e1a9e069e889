"""Workflows that publish."""

from dataclasses import replace
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.integration.bridges.kafka.routes import INVOICES_QUEUE, TOPIC
    from twinsaga_bridges.workflow_into_kafka import OutgoingEvent, publish, publish_before_close

TASK_QUEUE = INVOICES_QUEUE


def filled(event: OutgoingEvent) -> OutgoingEvent:
    """Return the event; a number as its data stands for a text of as many bytes, which no argument may have."""
    return replace(event, data="x" * event.data) if isinstance(event.data, int) else event


@workflow.defn
class Invoice:
    """Publishes twice."""

    @workflow.run
    async def run(self, data: Any) -> list[str]:  # noqa: ANN401 - JSON
        paid = filled(OutgoingEvent(topic=TOPIC, key="i-1", type="invoice.paid", source="/invoices", data=data))
        return [await publish(paid), await publish(paid)]


@workflow.defn
class Reminder:
    """Publishes its argument."""

    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        return await publish(filled(event))


@workflow.defn
class LocalReminder:
    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        return await publish(filled(event), local=True)


@workflow.defn
class LastReminder:
    """Returns before its event is published."""

    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        publish_before_close(filled(event))
        return "reminded"
