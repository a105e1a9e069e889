"""An invoice: rendered by Celery, sent as an event, paid in parts by events."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

from twinsaga_bridges.kafka.outgoing import OutgoingEvent, publish
from twinsaga_bridges.workflow_into_celery import run_celery_task


@workflow.defn
class Invoice:
    def __init__(self) -> None:
        self.received = 0

    @workflow.run
    async def run(self, number: str, amount: int) -> int:
        # @@@SNIPSTART workflow-into-celery-workflow
        pdf = await run_celery_task("invoices.render", number, amount, within=timedelta(minutes=10), result_type=str)
        # @@@SNIPEND
        await self.publish("invoice.sent", number, {"amount": amount, "pdf": pdf})
        await workflow.wait_condition(lambda: self.received >= amount)
        await self.publish("invoice.paid", number, {"amount": self.received})
        return self.received

    @workflow.signal
    def payment(self, data: dict[str, Any]) -> None:
        self.received += data["amount"]

    # @@@SNIPSTART workflow-into-kafka-workflow
    async def publish(self, what: str, number: str, data: dict[str, Any]) -> None:
        await publish(OutgoingEvent(topic="invoices", key=number, type=what, source="/invoices", data=data))

    # @@@SNIPEND
