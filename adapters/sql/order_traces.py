"""The trace of an order, for work on it that another trace, or none, has caused."""

from sqlalchemy import bindparam, select

from domain.ids import OrderId
from domain.order import SagaStyle
from messaging import tracing
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log
from messaging.tracing import Span

SAMPLED = 0x01
"""Flag of W3C Trace Context: without it no process sends the spans of the trace."""

_FIRST_TRACE = (
    select(event_log.c.traceparent)
    .where(event_log.c.order_id == bindparam("order_id"), event_log.c.traceparent.is_not(None))
    .order_by(event_log.c.seq)
    .limit(1)
)


def trace_of(database: Database, order_id: OrderId) -> str | None:
    """Return the traceparent of the order's first event in this database; None while traces are off."""
    if not tracing.are_on():
        return None
    with database.reading() as connection:
        found: str | None = connection.execute(_FIRST_TRACE, {"order_id": order_id}).scalar()
        return found


def trace_id_of(database: Database, order_id: OrderId) -> str | None:
    """Return the id of the order's trace, 32 hexadecimal digits.

    None while traces are off, for an order that was placed while they were off, and for one that was not sampled.
    """
    traceparent = trace_of(database, order_id)
    if traceparent is None:
        return None
    _, trace_id, _, flags = traceparent.split("-")
    return trace_id if int(flags, 16) & SAMPLED else None


def continuing(database: Database, order_id: OrderId, style: SagaStyle, name: str) -> Span:
    """Begin a span in the order's own trace, linked to the current one: a request about the order, or a sweep."""
    return tracing.span(
        name,
        parent=trace_of(database, order_id),
        link=tracing.traceparent(),
        attributes=tracing.order_attributes(order_id, style),
    )
