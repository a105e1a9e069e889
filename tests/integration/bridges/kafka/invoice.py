"""Workflows that publish."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.integration.bridges.kafka.routes import INVOICES_QUEUE, TOPIC
    from twinsaga_bridges.workflow_into_kafka import OutgoingEvent, publish, publish_before_close

TASK_QUEUE = INVOICES_QUEUE


@workflow.defn
class Invoice:
    """Publishes twice."""

    @workflow.run
    async def run(self, data: Any) -> list[str]:  # noqa: ANN401 - JSON
        paid = OutgoingEvent(topic=TOPIC, key="i-1", type="invoice.paid", source="/invoices", data=data)
        return [await publish(paid), await publish(paid)]


@workflow.defn
class Reminder:
    """Publishes its argument."""

    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        return await publish(event)


@workflow.defn
class LocalReminder:
    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        return await publish(event, local=True)


@workflow.defn
class LastReminder:
    """Returns before its event is published."""

    @workflow.run
    async def run(self, event: OutgoingEvent) -> str:
        publish_before_close(event)
        return "reminded"
