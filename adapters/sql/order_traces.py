"""Spans in the trace of an order, for work on it that another trace, or none, has caused."""

from adapters.order_spans import order_attributes
from domain.ids import OrderId
from domain.order import SagaStyle
from messaging import tracing
from messaging.sql.database import Database
from messaging.sql.traces import trace_of
from messaging.tracing import Span


def continuing(database: Database, order_id: OrderId, style: SagaStyle, name: str) -> Span:
    """Begin a span in the order's own trace, linked to the current one: a request about the order, or a sweep."""
    return tracing.span(
        name,
        parent=trace_of(database, order_id),
        link=tracing.traceparent(),
        attributes=order_attributes(order_id, style),
    )
