"""Publishes events from workflows. Imports no Kafka client, so that workflow modules may import it."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)
from temporalio.workflow import ContinueAsNewError

from twinsaga_bridges.kafka.events import CAUSED_BY, header_of, trace_in

__all__ = ["OutgoingEvent", "publish", "publish_before_close", "with_cause"]

ACTIVITY = "publish_to_kafka"
ACK_DEADLINE_S = 10.0
"""Must exceed the producer's own delivery timeout: a record must have failed before it is sent again."""

LARGEST_EVENT = 2_000_000
"""Bytes of the encoded event. Temporal's default limit is 2 MiB; the rest is for what a payload codec adds."""

ONE_ATTEMPT = timedelta(seconds=2 * ACK_DEADLINE_S)
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))

# Every pause exceeds the threshold, so it is a timer: neither a workflow task nor a slot of the worker waits for Kafka.
# Each retry adds 6 events to the history. With 30 s between two of them, Kafka can be away for almost three days before
# the history reaches Temporal's limit of 51,200 events.
LOCAL_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
LOCAL_RETRY_THRESHOLD = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEvent:
    """A CloudEvent to publish. `data` is JSON.

    `id`: None where a workflow publishes, to derive it from the workflow's run. `caused_by` is the id of the
    event that this one follows from, `traceparent` the W3C trace context; both become extension attributes.
    """

    topic: str
    key: str
    type: str
    source: str
    data: Any
    id: str | None = None
    caused_by: str | None = None
    traceparent: str | None = None


async def publish(
    event: OutgoingEvent,
    *,
    local: bool = False,
    within: timedelta | None = None,
    task_queue: str | None = None,
    activity: str = ACTIVITY,
) -> str:
    """Publish the event and return its id once the broker has acknowledged it.

    Unless the event has an id, one is derived from the workflow's run, the same for every retry: consumers can drop
    duplicates. Retried for ever, or `within` a time.

    Args:
        event: what to publish.
        local: run as a local activity, which adds one event to the history instead of three.
        within: time limit over all attempts.
        task_queue: of a worker with the plugin, if not the workflow's own; not for `local`.
        activity: the name that the worker's KafkaPublishingPlugin registered.

    Raises:
        ActivityError: not acknowledged in time, or no retry helps: see `Unsendable`. At once if the event cannot be
            encoded, or is larger than LARGEST_EVENT.
    """
    if local:
        event = _identified(event)
    event = with_cause(event)
    if (refusal := _refusal(event, activity)) is not None:
        raise refusal
    if local:
        return await _start_local(event, activity, within)
    published: str = await workflow.execute_activity(
        activity,
        event,
        result_type=str,
        task_queue=task_queue,
        start_to_close_timeout=ONE_ATTEMPT,
        schedule_to_close_timeout=within,
        retry_policy=RETRY,
        summary=f"publish {event.type} to {event.topic}",
    )
    return published


def publish_before_close(event: OutgoingEvent, *, activity: str = ACTIVITY) -> None:
    """Publish the event by a local activity, without waiting for it; the workflow closes once it is acknowledged.

    For the end of a workflow whose callers must not wait for Kafka. CeleryCallersPlugin answers them as soon as the
    workflow returns, if KafkaPublishingPlugin comes before it among the worker's plugins. An event that no retry can
    send, or that is larger than LARGEST_EVENT, is logged, and does not fail the workflow. Call it from the workflow's
    main method.

    Raises:
        LookupError: the worker has no KafkaPublishingPlugin. It fails the workflow task, not the workflow.
    """
    publishing = _before_close.get()
    event = with_cause(_identified(event))
    if (refusal := _refusal(event, activity)) is not None:
        _log_unpublished(refusal)
    else:
        publishing.append(_start_local(event, activity, None))


def with_cause(event: OutgoingEvent) -> OutgoingEvent:
    """Name the event that `kafka_into_workflow` started this workflow with, and the trace that the start continued.

    A cause or a trace that the event names itself stays. `publish` does it; call it where one workflow prepares what
    another one publishes.
    """
    headers = workflow.info().headers
    return replace(
        event,
        caused_by=event.caused_by or header_of(headers, CAUSED_BY),
        traceparent=event.traceparent or trace_in(headers),
    )


def _identified(event: OutgoingEvent) -> OutgoingEvent:
    """Give the event an id of the workflow's: the retry of a local activity after a timer has another activity id."""
    return replace(event, id=event.id or str(workflow.uuid4()))


def _refusal(event: OutgoingEvent, activity: str) -> ActivityError | None:
    """Return the error of an event that Temporal would refuse.

    Temporal refuses it together with the workflow task that schedules the activity, again and again, so the workflow
    would never learn of it.
    """
    try:
        size = workflow.payload_converter().to_payload(event).ByteSize()
    except Exception as error:  # noqa: BLE001 - a converter may raise anything
        reason = f"{event.type} cannot be encoded: {error}"
    else:
        if size <= LARGEST_EVENT:
            return None
        reason = f"{event.type} of {size} bytes is more than the {LARGEST_EVENT} that a workflow can publish"
    refusal = ActivityError(
        reason,
        scheduled_event_id=0,  # it was never scheduled
        started_event_id=0,
        identity="",
        activity_type=activity,
        activity_id="",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    refusal.__cause__ = ApplicationError(reason, type="Unsendable", non_retryable=True)
    return refusal


def _log_unpublished(error: BaseException) -> None:
    workflow.logger.error("an event was not published: %s", error.__cause__ or error)


def _start_local(event: OutgoingEvent, activity: str, within: timedelta | None) -> workflow.ActivityHandle[str]:
    handle: workflow.ActivityHandle[str] = workflow.start_local_activity(
        activity,
        event,
        result_type=str,
        start_to_close_timeout=ONE_ATTEMPT,
        schedule_to_close_timeout=within,
        retry_policy=LOCAL_RETRY,
        local_retry_threshold=LOCAL_RETRY_THRESHOLD,
        summary=f"publish {event.type} to {event.topic}",
    )
    return handle


_before_close: ContextVar[list[workflow.ActivityHandle[str]]] = ContextVar("events to publish before the close")


class PublishesBeforeClose(Interceptor):
    """Keeps a workflow open until the events of `publish_before_close` are acknowledged."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        return _PublishesBeforeClose


class _PublishesBeforeClose(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        publishing: list[workflow.ActivityHandle[str]] = []
        _before_close.set(publishing)
        try:
            result = await super().execute_workflow(input)
        except (Exception, asyncio.CancelledError) as end:
            if _closes_workflow(end):
                await _finished(publishing)
            raise
        await _finished(publishing)
        return result


def _closes_workflow(end: BaseException) -> bool:
    """Return False for an eviction, and for a bug, after which Temporal runs the workflow task again."""
    if isinstance(end, asyncio.CancelledError):
        return workflow.cancellation_reason() is not None
    return isinstance(end, ContinueAsNewError) or workflow.is_failure_exception(end)


async def _finished(publishing: list[workflow.ActivityHandle[str]]) -> None:
    """Wait for the events, and for signals and updates that came meanwhile: the close would cut off their work."""
    if not publishing:
        return
    waiting = asyncio.create_task(
        workflow.wait_condition(
            lambda: all(handle.done() for handle in publishing) and workflow.all_handlers_finished()
        )
    )
    try:
        await asyncio.shield(waiting)
    except asyncio.CancelledError:  # the end is decided: a cancellation comes too late to change it
        await waiting
    for handle in publishing:
        if (error := handle.exception()) is not None:
            _log_unpublished(error)
