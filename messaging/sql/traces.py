"""The trace that began with the first event of a key."""

from sqlalchemy import bindparam, select

from messaging import tracing
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log

SAMPLED = 0x01
"""Flag of W3C Trace Context: without it no process sends the spans of the trace."""

_FIRST_TRACE = (
    select(event_log.c.traceparent)
    .where(event_log.c.key == bindparam("key"), event_log.c.traceparent.is_not(None))
    .order_by(event_log.c.seq)
    .limit(1)
)


def trace_of(database: Database, key: str) -> str | None:
    """Return the traceparent of the first event of the key in this database; None while traces are off."""
    if not tracing.are_on():
        return None
    with database.reading() as connection:
        found: str | None = connection.execute(_FIRST_TRACE, {"key": key}).scalar()
        return found


def trace_id_of(database: Database, key: str) -> str | None:
    """Return the id of that trace, 32 hexadecimal digits.

    None while traces are off, for a key whose first event was recorded while they were off, and for one not sampled.
    """
    traceparent = trace_of(database, key)
    if traceparent is None:
        return None
    _, trace_id, _, flags = traceparent.split("-")
    return trace_id if int(flags, 16) & SAMPLED else None
