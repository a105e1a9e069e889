"""Spans of the start of a saga, its workflow, its signals and updates, and its activities.

The SDK's own integration passes the trace on, and makes replays safe: the span of a workflow begins again in each of
them, under the same id, and is exported when the workflow ends. So it survives the death of a worker. The spans are
ours, because the SDK's would contain the texts of errors, and twice as many spans cost twice as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from structlog.contextvars import bind_contextvars
from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin
from temporalio.converter import PayloadConverter
from temporalio.plugin import SimplePlugin

from adapters.order_spans import order_attributes
from domain.ids import OrderId
from domain.order import SagaStyle, Step
from messaging import tracing
from messaging.tracing import Span
from twinsaga_bridges.kafka.events import TRACER_HEADER
from workflows import choreography_witness, order_saga

_CAME_FROM = "twinsaga-came-from"
_STYLES = {
    order_saga.workflow_id(OrderId("")): SagaStyle.ORCHESTRATED,
    choreography_witness.witness_id(OrderId("")): SagaStyle.CHOREOGRAPHED,
}
"""By the first part of the workflow's id; the second part is the order's."""

_STEPS = frozenset(Step)
_WITNESS = choreography_witness.ChoreographyWitness.__name__


class Options(TypedDict):
    interceptors: Sequence[client.Interceptor]
    plugins: Sequence[client.Plugin]


def tracing_options() -> Options:
    """For `Client.connect`; the workers of the client use them too."""
    # In this order: the SDK's integration writes the trace that the first one begins into the headers of a start, and
    # reads for the last one those of a task.
    spans = SimplePlugin("SpanPlugin", interceptors=[TaskInterceptor()])
    return Options(interceptors=[CallInterceptor()], plugins=[OpenTelemetryPlugin(), spans])


class _MessagesOfWorkflow(worker.WorkflowInboundInterceptor):
    async def handle_signal(self, input: worker.HandleSignalInput) -> None:  # noqa: A002 - the SDK's
        await super().handle_signal(replace(input, headers=_in_own_trace(input.headers)))

    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:  # noqa: A002 - the SDK's
        super().handle_update_validator(replace(input, headers=_in_own_trace(input.headers)))

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:  # noqa: A002, ANN401 - the SDK's
        return await super().handle_update_handler(replace(input, headers=_in_own_trace(input.headers)))


class _StartSpans(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:  # noqa: A002
        with tracing.span(f"StartWorkflow:{input.workflow}", "client", attributes=_about(input.id)):
            return await super().start_workflow(input)


class CallInterceptor(client.Interceptor, worker.Interceptor):
    """Begins the span of a start. Puts signals and updates into the trace of their workflow, with a link to theirs."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002 - the SDK's
        return _StartSpans(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's
    ) -> type[_MessagesOfWorkflow]:
        return _MessagesOfWorkflow


class _ActivitySpans(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - the activity's
        info = activity.info()
        about = {**_about(info.workflow_id or ""), tracing.ATTEMPT: info.attempt}
        if info.activity_type in _STEPS:
            about[tracing.STEP] = info.activity_type
        span = tracing.span(f"RunActivity:{info.activity_type}", "server", attributes=about)
        try:
            with span.current():
                # For the lines that the SDK logs behind this, such as that of a failed attempt.
                bind_contextvars(trace_id=tracing.trace_id())
                result = await super().execute_activity(input)
        except BaseException as error:
            # Other exceptions are no failures: a cancellation, and the end of an activity that is completed elsewhere.
            span.end(error if isinstance(error, Exception) else None)
            raise
        span.end()
        return result


class _WorkflowSpans(worker.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the workflow's
        info = workflow.info()
        span = tracing.span(f"RunWorkflow:{info.workflow_type}", "server", attributes=_about(info.workflow_id))
        try:
            with span.current():
                result = await super().execute_workflow(input)
        except BaseException as error:
            # Any other exception fails only the task, which Temporal repeats.
            if not isinstance(error, Exception) or workflow.is_failure_exception(error):
                span.end(error)
            raise
        span.end()
        return result

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:  # noqa: A002 - the SDK's
        with _span_of_message(f"HandleSignal:{input.signal}", input.headers):
            await super().handle_signal(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:  # noqa: A002, ANN401 - the SDK's
        with _span_of_message(f"HandleUpdate:{input.update}", input.headers):
            return await super().handle_update_handler(input)


class TaskInterceptor(worker.Interceptor):
    def intercept_activity(
        self,
        next: worker.ActivityInboundInterceptor,  # noqa: A002 - the SDK's
    ) -> worker.ActivityInboundInterceptor:
        return _ActivitySpans(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's
    ) -> type[_WorkflowSpans]:
        return _WorkflowSpans


def _about(workflow_id: str) -> dict[str, str | int]:
    for prefix, style in _STYLES.items():
        if workflow_id.startswith(prefix):
            return order_attributes(OrderId(workflow_id.removeprefix(prefix)), style)
    return {}


def _span_of_message(name: str, headers: Mapping[str, Payload]) -> Span:
    if workflow.info().workflow_type == _WITNESS:
        return tracing.OFF  # it hears each event of its order, and each of them has spans already
    came_from = headers.get(_CAME_FROM)
    link = None if came_from is None else PayloadConverter.default.from_payload(came_from).get("traceparent")
    return tracing.span(name, "server", link=link, attributes=_about(workflow.info().workflow_id))


def _in_own_trace(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    own, came_from = workflow.info().headers.get(TRACER_HEADER), headers.get(TRACER_HEADER)
    if own is None:  # the workflow was started without a trace
        return headers
    linked = {} if came_from is None else {_CAME_FROM: came_from}
    return {**headers, **linked, TRACER_HEADER: own}
