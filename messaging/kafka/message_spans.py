"""What traces and logs say about messages: one span for each attempt to handle one, and for each publication."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from structlog.contextvars import bound_contextvars

from domain.ids import OrderId
from domain.order import SagaStyle
from messaging import tracing
from messaging.kafka.cloudevents import traceparent_in
from messaging.kafka.dead_letters import order_id_of
from messaging.kafka.decoding import Decoded
from messaging.kafka.topics import SETTLEMENTS
from messaging.sql.outbox import OutboxRow
from messaging.sql.unit_of_work import COMMITTED
from messaging.tracing import ATTEMPT, ORDER_ID, STYLE, Span

DEAD_LETTER = "dead letter"

TraceOf = Callable[[OrderId], str | None]
"""Returns a traceparent of the order, as this service knows it."""


@contextmanager
def handling(
    decoded: Decoded,
    trace_of: TraceOf,
    *,
    attempt: int = 1,
    sharing: list[Span] | None = None,
    style: SagaStyle = SagaStyle.CHOREOGRAPHED,
) -> Iterator[None]:
    """Handle a message within the block: its span is current, and each log line names its order.

    `sharing`: gets the span of a message that shares a commit, which then ends it.
    """
    received, message = decoded.received, decoded.message
    order_id = order_id_of(message.key) if received is None else received.event.order_id
    span = _span_of(decoded, order_id, trace_of, attempt, style)
    with nullcontext() if order_id is None else bound_contextvars(order_id=order_id):
        if sharing is None:
            with span:
                yield
        else:
            sharing.append(span)
            with span.current():
                yield


@contextmanager
def shared_commit() -> Iterator[list[Span]]:
    """End the spans of the messages that share a commit, at the end of the block, which commits or fails."""
    spans: list[Span] = []
    failure: BaseException | None = None
    try:
        yield spans
    except BaseException as error:
        failure = error
        raise
    finally:
        for span in spans:
            if failure is None:
                span.event(COMMITTED)
            span.end(failure)


def _span_of(decoded: Decoded, order_id: OrderId | None, trace_of: TraceOf, attempt: int, style: SagaStyle) -> Span:
    if not tracing.are_on():
        return tracing.OFF
    received, topic = decoded.received, decoded.message.topic
    attributes: dict[str, str | int] = {ATTEMPT: attempt}
    if topic != SETTLEMENTS:  # these are for orders of either style: `SqlUnit.record` knows more
        attributes[STYLE] = style.value
    if order_id is not None:
        attributes[ORDER_ID] = order_id
    # A message from outside has a trace of its own. The order's trace goes on, and names that one as its cause.
    parent = traceparent_in(decoded.message.headers) if received is None else received.traceparent
    if parent is None and order_id is not None:
        parent = trace_of(order_id)
    name = f"process {topic if received is None else received.event.type}"
    link = None if received is None else received.linked
    return tracing.span(name, "consumer", parent=parent, link=link, attributes=attributes)


def publishing(row: OutboxRow) -> Span:
    """Begin the span of a publication. It continues the trace of the commit, which may be hours old."""
    if not tracing.are_on():
        return tracing.OFF
    event = row.recorded.event
    attributes = tracing.order_attributes(event.order_id, SagaStyle.CHOREOGRAPHED)
    return tracing.span(f"publish {event.type}", "producer", parent=row.traceparent, attributes=attributes)
