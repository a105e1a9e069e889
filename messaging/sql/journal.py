"""The event log and the journal of steps, within a transaction of the caller."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache

from sqlalchemy import Connection, Executable, RowMapping, bindparam, case, func, or_, select

from messaging.events import WrittenEvent
from messaging.sql.database import wakes_relay
from messaging.sql.dialects import inserting
from messaging.sql.journal_tables import event_log, steps
from messaging.sql.write_buffer import JournalRows
from messaging.unit_of_work import StepRecord, StepStatus

OUTBOX_CHANNEL = "outbox"
"""PostgreSQL's NOTIFY channel. Channels are local to a database, and each service has its own database."""

_ENDED = (StepStatus.DONE, StepStatus.REFUSED)

_EVENTS_OF = select(event_log).where(event_log.c.key == bindparam("key")).order_by(event_log.c.seq)
_STEPS_OF = select(steps.c.step, steps.c.status, steps.c.attempts, steps.c.last_error, steps.c.at).where(
    steps.c.key == bindparam("key")
)


def record_event(
    connection: Connection, journal: JournalRows, event: WrittenEvent, traceparent: str | None, *, publish: bool
) -> None:
    """Write the event to the log, and with `publish` also to the outbox."""
    row = {
        "event_id": event.event_id,
        "key": event.key,
        "type": event.type,
        "event": event.data,
        "at": event.at,
        "caused_by": event.caused_by,
        "traceparent": traceparent,
        "publish": publish,
        "waits": publish,
    }
    journal.add(_recording(connection.dialect.name, wake_relay=publish), row)
    if publish:
        wakes_relay(connection)


def events_of(connection: Connection, key: str, service: str) -> Sequence[WrittenEvent]:
    rows = connection.execute(_EVENTS_OF, {"key": key}).mappings()
    return [written_event(row, service) for row in rows]


def written_event(row: RowMapping, service: str) -> WrittenEvent:
    return WrittenEvent(
        event_id=row["event_id"],
        key=row["key"],
        type=row["type"],
        data=row["event"],
        service=service,
        at=row["at"],
        caused_by=row["caused_by"],
    )


def count_attempt(dialect: str, journal: JournalRows, tried: StepRecord, key: str) -> None:
    """Count one attempt of a step. The late failure of an overtaken attempt does not reopen a step that has ended."""
    journal.add(_counting(dialect), {"key": key, **asdict(tried)})


@cache
def _recording(dialect: str, *, wake_relay: bool) -> Executable:
    # The event id is derived from the key and the type, so a repeated step records nothing new.
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
    return statement.on_conflict_do_update(index_elements=["key", "step"], set_=changes)


def steps_of(connection: Connection, key: str) -> Sequence[StepRecord]:
    rows = connection.execute(_STEPS_OF, {"key": key})
    return [
        StepRecord(step=step, status=StepStatus(status), attempts=attempts, last_error=last_error, at=at)
        for step, status, attempts, last_error, at in rows
    ]
