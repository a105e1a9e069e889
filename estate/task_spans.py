"""Traces and logs of Celery tasks: each attempt is a span, in the trace of whoever sent the task.

The headers of a message carry the trace, as W3C Trace Context, and the order that the task is about.
"""

from contextlib import ExitStack
from typing import Any, Final

from celery import signals, states
from celery.exceptions import Retry
from structlog.contextvars import bound_contextvars, get_contextvars

from adapters.order_spans import ORDER_ID
from domain.ids import OrderId
from messaging import tracing
from messaging.ids import correlation_key
from runtime.tracing import traces
from services.estate.task_names import CLEAN_UP, HAND_OVER_TASKS

TRACEPARENT: Final = "traceparent"
ORDER: Final = "twinsaga-order"
SWEEPS = (CLEAN_UP, HAND_OVER_TASKS)
"""Beat sends them all the time, and none of them is about one order."""


def pass_traces_on() -> None:
    """Write the headers of each task that this process sends from now on. Repeatable."""
    signals.before_task_publish.connect(_write_headers, weak=False)


def _write_headers(headers: dict[str, Any], **_: object) -> None:
    # A retry is sent with the headers of the task, and stays in its sender's span, beside the first attempt.
    if (traceparent := tracing.traceparent()) is not None:
        headers.setdefault(TRACEPARENT, traceparent)
    if (order_id := get_contextvars().get("order_id")) is not None:
        headers.setdefault(ORDER, order_id)


class TaskSpans:
    """Makes the spans in a child of the pool, which runs one task at a time. `process`: see `traces`."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._traces, self._task = ExitStack(), ExitStack()
        self._span = tracing.OFF

    def connect(self) -> None:
        """Call it before anything else that hears of a task's begin, so that it runs within the span."""
        signals.worker_process_init.connect(self._start, weak=False)
        signals.worker_process_shutdown.connect(self._stop, weak=False)
        signals.task_prerun.connect(self._begin, weak=False)
        signals.task_postrun.connect(self._end, weak=False)

    def _start(self, **_: object) -> None:
        # In the child, because threads, such as the one that exports spans, do not survive a fork.
        self._traces.enter_context(traces(self._process))

    def _stop(self, **_: object) -> None:
        self._traces.close()

    def _begin(self, task: Any, **_: object) -> None:  # noqa: ANN401 - Celery's
        headers = task.request.headers or {}
        order_id = _order_in(headers)
        if order_id is not None:
            self._task.enter_context(bound_contextvars(order_id=order_id))
        if task.name in SWEEPS:
            return
        attributes: dict[str, str | int] = {tracing.ATTEMPT: task.request.retries + 1}
        if order_id is not None:
            attributes[ORDER_ID] = order_id
        self._span = tracing.span(f"run {task.name}", "consumer", parent=_trace_in(headers), attributes=attributes)
        self._task.enter_context(self._span.current())

    def _end(self, retval: object, state: str, **_: object) -> None:
        self._task.close()
        if isinstance(retval, Retry):
            self._span.event("retried", retval.exc)
        self._span.end(retval if state == states.FAILURE else None)
        self._span = tracing.OFF


def _trace_in(headers: dict[str, Any]) -> str | None:
    found = headers.get(TRACEPARENT)
    return found if isinstance(found, str) else None


def _order_in(headers: dict[str, Any]) -> OrderId | None:
    found = headers.get(ORDER)
    order_id = correlation_key(found.encode(errors="replace")) if isinstance(found, str) else None
    return OrderId(order_id) if order_id is not None else None
