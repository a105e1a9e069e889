"""A workflow that publishes twice."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bridges.workflow_into_kafka import OutgoingEvent, publish
    from tests.integration.bridges.kafka.routes import TOPIC


@workflow.defn
class Invoice:
    @workflow.run
    async def run(self, data: Any) -> list[str]:  # noqa: ANN401 - JSON
        paid = OutgoingEvent(topic=TOPIC, key="i-1", type="invoice.paid", source="/invoices", data=data)
        return [await publish(paid), await publish(paid)]
