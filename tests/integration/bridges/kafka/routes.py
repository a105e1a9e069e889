"""The table that brings events to ledgers."""

from bridges.kafka_into_workflow import IncomingEvent, Routes, Signal, SignalWithStart, Start, Update
from tests.integration.bridges.kafka.ledger import Entry

TASK_QUEUE = "ledgers"
TOPIC = "orders"  # made by the broker fixture; what is in it are entries of ledgers


def ledger_id(event: IncomingEvent) -> str:
    return f"ledger/{event.key}"


def entry(event: IncomingEvent) -> Entry:
    return Entry(number=event.data["number"])


OPEN = Start(workflow="Ledger", workflow_id=ledger_id, task_queue=TASK_QUEUE, summary="a ledger")
ROUTES: Routes = {
    "ledger.opened": OPEN,
    "ledger.written": SignalWithStart(signal="write", start=OPEN, argument=entry),
    "ledger.corrected": Update(update="correct", workflow_id=ledger_id, argument=entry),
    "ledger.closed": Signal(signal="close", workflow_id=ledger_id),
}
