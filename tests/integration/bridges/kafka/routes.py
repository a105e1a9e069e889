"""The routes of the tests: events of ledgers."""

from tests.integration.bridges.kafka.ledger import Entry
from twinsaga_bridges.kafka_into_workflow import IncomingEvent, Routes, Signal, SignalWithStart, Start, Update

TASK_QUEUE = "ledgers"
INVOICES_QUEUE = "publishers"
TOPIC = "orders"  # created by the broker fixture; here it carries events of ledgers


def ledger_id(event: IncomingEvent) -> str:
    return f"ledger/{event.key}"


def entry(event: IncomingEvent) -> Entry:
    return Entry(number=event.data["number"])


def filler(event: IncomingEvent) -> str:
    """Return a string of as many bytes as the event's number."""
    return "x" * int(event.data["number"])


def not_json(_: IncomingEvent) -> object:
    return object()


OPEN = Start(workflow="Ledger", workflow_id=ledger_id, task_queue=TASK_QUEUE, summary="a ledger")
ROUTES: Routes = {
    "ledger.opened": OPEN,
    "ledger.written": SignalWithStart(signal="write", start=OPEN, argument=entry),
    "ledger.corrected": Update(update="correct", workflow_id=ledger_id, argument=entry),
    "ledger.closed": Signal(signal="close", workflow_id=ledger_id),
    "ledger.filled": Signal(signal="write", workflow_id=ledger_id, argument=filler),
    "ledger.opened_full": Start(workflow="Ledger", workflow_id=ledger_id, task_queue=TASK_QUEUE, argument=filler),
    "ledger.corrected_at_length": Update(update="correct", workflow_id=ledger_id, argument=filler),
    "ledger.garbled": SignalWithStart(signal="write", start=OPEN, argument=not_json),
    "invoice.requested": Start(
        workflow="Invoice", workflow_id=lambda event: f"invoice/{event.key}", task_queue=INVOICES_QUEUE
    ),
}
