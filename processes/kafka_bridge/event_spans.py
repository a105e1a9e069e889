"""What traces and logs say about the events that the bridge delivers."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars

from adapters.order_spans import ORDER_ID
from domain.ids import OrderId, order_id_from_key
from domain.order import SagaStyle
from messaging import tracing
from messaging.kafka.message_spans import DEAD_LETTER
from messaging.kafka.topics import is_dead_letters
from processes.kafka_bridge.routes import REQUESTED
from services.vocabulary import TOPICS
from twinsaga_bridges.kafka_into_workflow import IncomingEvent, Undeliverable, Unreadable, traceparent_of


@contextmanager
def delivering(event: IncomingEvent) -> Iterator[str | None]:
    """Deliver an event within the block. Yield the trace that its workflow continues.

    An event from outside has a span, which lasts until Temporal has acknowledged. One of our services has none: its
    publication and each handling of it have one, and the witness only watches.
    """
    traceparent, topic = traceparent_of(event), event.record.topic
    order_id = order_id_from_key(REQUESTED, event.key) if topic == REQUESTED else OrderId(event.key)
    if topic in TOPICS or is_dead_letters(topic):
        trace = {} if traceparent is None else {"trace_id": tracing.trace_id_of(traceparent)}
        with bound_contextvars(order_id=order_id, **trace):
            yield traceparent
        return
    attributes: dict[str, str | int] = {ORDER_ID: order_id}
    if topic == REQUESTED:
        attributes[tracing.STYLE] = SagaStyle.ORCHESTRATED.value
    span = tracing.span(f"process {event.type}", "consumer", parent=traceparent, attributes=attributes)
    with bound_contextvars(order_id=order_id), span:
        try:
            yield span.traceparent or traceparent
        except (Undeliverable, Unreadable) as refusal:
            span.event(DEAD_LETTER, refusal)
            raise
