"""The event log and the journal of steps, within a transaction of the caller."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache

from sqlalchemy import Connection, Executable, RowMapping, bindparam, case, func, or_, select

from adapters.codec import decode_event, encode_event
from domain.events import RecordedEvent
from domain.ids import OrderId
from domain.order import Step
from messaging.sql.database import wakes_relay
from messaging.sql.dialects import inserting
from messaging.sql.journal_tables import event_log, steps
from messaging.sql.write_buffer import JournalRows
from services.unit_of_work import StepRecord, StepStatus

OUTBOX_CHANNEL = "outbox"
"""PostgreSQL's NOTIFY channel. Channels are local to a database, and each service has its own database."""

_STEP_ORDER = {step: place for place, step in enumerate(Step)}
_ENDED = (StepStatus.DONE, StepStatus.REFUSED)

_EVENTS_OF = select(event_log).where(event_log.c.order_id == bindparam("order_id")).order_by(event_log.c.seq)
_STEPS_OF = select(steps.c.step, steps.c.status, steps.c.attempts, steps.c.last_error, steps.c.at).where(
    steps.c.order_id == bindparam("order_id")
)


def record_event(
    connection: Connection, journal: JournalRows, recorded: RecordedEvent, traceparent: str | None, *, publish: bool
) -> None:
    """Write the event to the log, and with `publish` also to the outbox."""
    row = {
        "event_id": recorded.event_id,
        "order_id": recorded.event.order_id,
        "type": recorded.event.type,
        "event": encode_event(recorded.event).decode(),
        "at": recorded.at,
        "caused_by": recorded.caused_by,
        "traceparent": traceparent,
        "publish": publish,
        "waits": publish,
    }
    journal.add(_recording(connection.dialect.name, wake_relay=publish), row)
    if publish:
        wakes_relay(connection)


def events_of(connection: Connection, order_id: OrderId, service: str) -> Sequence[RecordedEvent]:
    rows = connection.execute(_EVENTS_OF, {"order_id": order_id}).mappings()
    return [recorded_event(row, service) for row in rows]


def recorded_event(row: RowMapping, service: str) -> RecordedEvent:
    return RecordedEvent(
        event_id=row["event_id"],
        event=decode_event(row["event"]),
        service=service,
        at=row["at"],
        caused_by=row["caused_by"],
    )


def count_attempt(dialect: str, journal: JournalRows, tried: StepRecord, order_id: OrderId) -> None:
    """Count one attempt of a step. The late failure of an overtaken attempt does not reopen a step that has ended."""
    journal.add(_counting(dialect), {"order_id": order_id, **asdict(tried)})


@cache
def _recording(dialect: str, *, wake_relay: bool) -> Executable:
    # The event id is derived from the order and the type, so a repeated step records nothing new.
    statement = inserting(dialect, event_log).on_conflict_do_nothing(index_elements=["event_id"])
    if wake_relay and dialect == "postgresql":
        # PostgreSQL delivers it at the commit. Within the INSERT it costs no round trip of its own.
        return statement.returning(func.pg_notify(OUTBOX_CHANNEL, ""))
    return statement


@cache
def _counting(dialect: str) -> Executable:
    statement = inserting(dialect, steps)
    new = statement.excluded
    # No `in_`: SQLAlchemy expands its list at each execution, which executemany() does not support.
    overtaken = or_(*(steps.c.status == ended for ended in _ENDED)) & (new.status == StepStatus.RETRYING)
    changes = {
        "status": case((overtaken, steps.c.status), else_=new.status),
        "attempts": steps.c.attempts + new.attempts,
        "last_error": func.coalesce(new.last_error, steps.c.last_error),
        "at": new.at,
    }
    return statement.on_conflict_do_update(index_elements=["order_id", "step"], set_=changes)


def steps_of(connection: Connection, order_id: OrderId) -> Sequence[StepRecord]:
    rows = connection.execute(_STEPS_OF, {"order_id": order_id})
    found = [
        StepRecord(step=Step(step), status=StepStatus(status), attempts=attempts, last_error=last_error, at=at)
        for step, status, attempts, last_error, at in rows
    ]
    return sorted(found, key=lambda record: _STEP_ORDER[record.step])
