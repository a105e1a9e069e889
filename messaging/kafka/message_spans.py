"""What traces and logs say about messages: one span for each attempt to handle one, and for each publication."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from structlog.contextvars import bound_contextvars

from messaging import tracing
from messaging.ids import correlation_key
from messaging.kafka.cloudevents import traceparent_in
from messaging.kafka.decoding import Decoded
from messaging.sql.outbox import OutboxRow
from messaging.sql.unit_of_work import COMMITTED
from messaging.tracing import ATTEMPT, CHOREOGRAPHED, STYLE, Span
from messaging.vocabulary import Vocabulary

DEAD_LETTER = "dead letter"

TraceOf = Callable[[str], str | None]
"""Returns a traceparent of the key, as this service knows it."""


@contextmanager
def handling(
    decoded: Decoded,
    vocabulary: Vocabulary[Any],
    trace_of: TraceOf,
    *,
    attempt: int = 1,
    sharing: list[Span] | None = None,
    style: str = CHOREOGRAPHED,
) -> Iterator[None]:
    """Handle a message within the block: its span is current, and each log line names its key.

    `sharing`: gets the span of a message that shares a commit, which then ends it.
    """
    received, message = decoded.received, decoded.message
    key = correlation_key(message.key) if received is None else received.key
    span = _span_of(decoded, vocabulary, key, trace_of, {ATTEMPT: attempt, STYLE: style})
    with nullcontext() if key is None else bound_contextvars(**{vocabulary.key_in_logs: key}):
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


def _span_of(
    decoded: Decoded, vocabulary: Vocabulary[Any], key: str | None, trace_of: TraceOf, attributes: dict[str, str | int]
) -> Span:
    if not tracing.are_on():
        return tracing.OFF
    received, topic = decoded.received, decoded.message.topic
    if topic in vocabulary.from_outside.values():
        del attributes[STYLE]  # these are for sagas of either style: `SqlUnit.record` knows more
    if key is not None:
        attributes[vocabulary.key_in_spans] = key
    # A message from outside has a trace of its own. The key's trace goes on, and names that one as its cause.
    parent = traceparent_in(decoded.message.headers) if received is None else received.traceparent
    if parent is None and key is not None:
        parent = trace_of(key)
    name = f"process {topic if received is None else received.event.type}"
    link = None if received is None else received.linked
    return tracing.span(name, "consumer", parent=parent, link=link, attributes=attributes)


def publishing(row: OutboxRow, vocabulary: Vocabulary[Any]) -> Span:
    """Begin the span of a publication. It continues the trace of the commit, which may be hours old."""
    if not tracing.are_on():
        return tracing.OFF
    attributes = {vocabulary.key_in_spans: row.event.key, STYLE: CHOREOGRAPHED}
    return tracing.span(f"publish {row.event.type}", "producer", parent=row.traceparent, attributes=attributes)
