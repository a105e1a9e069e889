"""Delivers one event to Temporal, so that the same event twice has one effect, and interprets Temporal's answer.

The event's source and id are the request id, by which the server drops repetitions. The SDK's own calls choose random
request ids, so the raw gRPC requests are built here. The server alone acknowledges a start or a signal; no worker has
to run.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Memo, Payloads, SearchAttributes, WorkflowExecution, WorkflowType
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.kafka.events import IncomingEvent, Trace, check_identified, start_header, trace_header
from twinsaga_bridges.kafka.faults import (
    CodecFault,
    MissingSearchAttribute,
    NoWorkflow,
    Undeliverable,
    concerns_event,
    described,
    event_faults,
    mapping,
)
from twinsaga_bridges.kafka.outcomes import Outcome
from twinsaga_bridges.kafka.routes import Arguments, Choose, Route, Signal, SignalWithStart, Start, Update, WorkflowId
from twinsaga_bridges.kafka.search_attributes import missing_attributes
from twinsaga_bridges.kafka.temporal_calls import AlreadyExists, InvalidRequest, NotFound, TemporalCalls

RPC_DEADLINE = timedelta(seconds=10)

LONGEST_ID = 1_000
"""Bytes. Temporal's default limit. The event's source and id become the id of the request."""

LARGEST_UPDATE = 2 * 1024 * 1024
"""Bytes. Temporal's default limit for payloads. It rejects larger starts and signals, but accepts a larger update,
and then no worker can complete a task of that workflow any more."""

ATTRIBUTES_SETTLE_S = 30.0
"""A server may list a new search attribute some seconds before it accepts one: its namespaces are cached."""

_FORBIDDEN = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.UNAUTHENTICATED}


class Delivery:
    """Delivers events.

    Args:
        client: its data converter encodes the arguments.
        calls: maximum number of concurrent calls: of Temporal's server, of workers, and of a route's async functions.
        away: classes of exceptions by which an async function of a route says that a service is away.
        trace: makes the context of each delivery.
    """

    def __init__(self, client: Client, *, calls: int, away: tuple[type[Exception], ...], trace: Trace) -> None:
        self._client = client
        self._away = away
        self._trace = trace
        self._temporal = TemporalCalls(calls)
        self._updates = asyncio.Semaphore(calls)
        self._functions = asyncio.Semaphore(calls)
        self._lacked: list[str] = []
        """The search attributes that were missing last. Until `_lacked_until`, a rejection may be because of them."""
        self._lacked_until = 0.0

    async def deliver(self, event: IncomingEvent, route: Route | Choose) -> Outcome:
        """Return when Temporal has acknowledged the event. While Temporal is away, wait.

        Raises:
            Unreadable, Undeliverable: no retry helps; the event is for the dead letters.
            Exception: anything else concerns more events than this one; deliver it again later.
        """
        # Before `Choose`, which may write: what Temporal refuses whatever the route must not leave a half-done effect.
        check_identified(event)
        _require_short_id(event)
        with self._trace(event) as traceparent:
            return await self._deliver(event, route, traceparent)

    async def _deliver(self, event: IncomingEvent, route: Route | Choose, traceparent: str | None) -> Outcome:
        chosen = await self._chosen(event, route) if callable(route) else route
        match chosen:
            case Start():
                return await self._start(event, chosen, traceparent)
            case Signal():
                return await self._signal(event, chosen, traceparent)
            case SignalWithStart():
                return await self._signal_with_start(event, chosen, traceparent)
            case Update():  # one of the SDK's own calls, which continues the current trace by the client's interceptors
                return await self._update(event, chosen)
            case None:
                return Outcome.IGNORED
        raise Undeliverable(f"the route is {type(chosen).__name__}, not a Start, Signal, SignalWithStart or Update")

    async def _chosen(self, event: IncomingEvent, choose: Choose) -> Route | None:
        async with self._functions:
            with event_faults(self._away):
                return await choose(event)

    async def _start(self, event: IncomingEvent, start: Start, traceparent: str | None) -> Outcome:
        with mapping():
            request = StartWorkflowExecutionRequest(**await self._start_fields(event, start, traceparent))

        async def call() -> StartWorkflowExecutionResponse:
            return await self._client.workflow_service.start_workflow_execution(request, timeout=RPC_DEADLINE)

        try:
            answer = await self._temporal.acknowledged(call, request.ByteSize())
        except AlreadyExists as error:
            forbidden = start.id_conflict_policy is WorkflowIDConflictPolicy.FAIL
            if forbidden and error.request_id != event.identity:
                raise Undeliverable(f"a workflow runs, or has run, under the id {request.workflow_id}") from error
            return Outcome.DUPLICATE
        except InvalidRequest as error:
            await self._require_attributes(request.search_attributes, error)
            raise
        return Outcome.DELIVERED if answer.started else Outcome.DUPLICATE

    async def _signal(self, event: IncomingEvent, route: Signal, traceparent: str | None) -> Outcome:
        with mapping():
            request = self._signal_request(event, _id_of(route.workflow_id, event), route.signal, traceparent)
            request.input.CopyFrom(await self._encoded(route.argument(event)))
        try:
            await self._send_signal(request)
        except NoWorkflow:
            if route.too_late is None:
                raise
            async with self._functions:
                with event_faults(self._away):
                    await route.too_late(event)
        return Outcome.DELIVERED

    async def _signal_with_start(
        self, event: IncomingEvent, route: SignalWithStart, traceparent: str | None
    ) -> Outcome:
        with mapping():
            payloads = await self._encoded(route.argument(event))
            request = SignalWithStartWorkflowExecutionRequest(
                **await self._start_fields(event, route.start, traceparent),
                signal_name=route.signal,
                signal_input=payloads,
            )
        # A plain signal with the same request id succeeds if a closed run had received the event.
        signal = self._signal_request(event, request.workflow_id, route.signal, traceparent)
        signal.input.CopyFrom(payloads)
        if route.start.id_reuse_policy is not WorkflowIDReusePolicy.REJECT_DUPLICATE:
            # Where an id may start twice, a repetition of the last run's event would start another run.
            try:
                await self._send_signal(signal)
            except NoWorkflow:
                pass
            else:
                return Outcome.DELIVERED

        async def call() -> SignalWithStartWorkflowExecutionResponse:
            service = self._client.workflow_service
            return await service.signal_with_start_workflow_execution(request, timeout=RPC_DEADLINE)

        try:
            await self._temporal.acknowledged(call, request.ByteSize())
        except AlreadyExists:
            await self._send_signal(signal)  # fails if the event is new and too late
            return Outcome.DUPLICATE
        except InvalidRequest as error:
            await self._require_attributes(request.search_attributes, error)
            raise
        return Outcome.DELIVERED

    async def _update(self, event: IncomingEvent, route: Update) -> Outcome:
        with mapping():
            values = _values(route.argument(event))
            size = (await self._encoded(Arguments(*values))).ByteSize()
            handle = self._client.get_workflow_handle(_id_of(route.workflow_id, event))
        if size > LARGEST_UPDATE:
            raise Undeliverable(f"an update of {size} bytes is too large for a workflow")

        async def call() -> None:
            await handle.execute_update(route.update, args=values, id=event.identity, rpc_timeout=RPC_DEADLINE)

        try:
            async with self._updates:
                await self._temporal.acknowledged(call, size, needs_worker=True)
        except NotFound as error:
            raise NoWorkflow(handle.id) from error
        except WorkflowUpdateFailedError as error:
            raise Undeliverable(f"the workflow rejected the update: {error.cause}") from error
        return Outcome.DELIVERED

    async def _send_signal(self, request: SignalWorkflowExecutionRequest) -> None:
        async def call() -> None:
            await self._client.workflow_service.signal_workflow_execution(request, timeout=RPC_DEADLINE)

        try:
            await self._temporal.acknowledged(call, request.ByteSize())
        except NotFound as error:
            raise NoWorkflow(request.workflow_execution.workflow_id) from error

    async def _require_attributes(self, attributes: SearchAttributes, rejected: InvalidRequest) -> None:
        """Raises MissingSearchAttribute if that is why Temporal rejected a start."""
        if not attributes.indexed_fields:
            return
        try:
            missing = await missing_attributes(self._client, attributes)
        except RPCError as error:
            if error.status in _FORBIDDEN:
                return
            raise
        if missing:
            self._lacked, self._lacked_until = missing, time.monotonic() + ATTRIBUTES_SETTLE_S
        elif time.monotonic() < self._lacked_until:
            missing = [each for each in self._lacked if each.partition(" ")[0] in attributes.indexed_fields]
        if missing:
            raise MissingSearchAttribute(
                f"namespace {self._client.namespace} lacks the search attributes {', '.join(missing)}: create them, and"
                " the events continue"
            ) from rejected

    def _signal_request(
        self, event: IncomingEvent, workflow_id: str, signal: str, traceparent: str | None
    ) -> SignalWorkflowExecutionRequest:
        return SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=signal,
            identity=self._client.identity,
            request_id=event.identity,
            header=trace_header(traceparent),
        )

    async def _start_fields(self, event: IncomingEvent, start: Start, traceparent: str | None) -> dict[str, Any]:
        summary = attributes = memo = None
        if start.summary is not None:
            summary = UserMetadata(summary=(await self._encoded(start.summary)).payloads[0])
        if start.search_attributes is not None:
            attributes = SearchAttributes()
            encode_search_attributes(start.search_attributes(event), attributes)
        if start.memo is not None:
            values = start.memo(event)
            payloads = (await self._encoded(Arguments(*values.values()))).payloads
            memo = Memo(fields=dict(zip(values, payloads, strict=True)))
        return {
            "namespace": self._client.namespace,
            "workflow_id": _id_of(start.workflow_id, event),
            "workflow_type": WorkflowType(name=start.workflow),
            "task_queue": TaskQueue(name=start.task_queue),
            "input": await self._encoded(start.argument(event)),
            "identity": self._client.identity,
            "request_id": event.identity,
            "workflow_id_reuse_policy": int(start.id_reuse_policy),
            "workflow_id_conflict_policy": int(start.id_conflict_policy),
            "workflow_execution_timeout": _duration(start.execution_timeout),
            "workflow_run_timeout": _duration(start.run_timeout),
            "workflow_task_timeout": _duration(start.task_timeout),
            "memo": memo,
            "user_metadata": summary,
            "search_attributes": attributes,
            "header": start_header(event.id, traceparent),
        }

    async def _encoded(self, argument: object) -> Payloads:
        values = _values(argument)
        if not values:
            return Payloads()
        try:
            return Payloads(payloads=await self._client.data_converter.encode(values))
        except Exception as error:
            if concerns_event(error) or not self._are_convertible(values):
                names = ", ".join(type(value).__name__ for value in values)
                raise Undeliverable(f"{names} cannot be encoded: {described(error)}") from error
            raise CodecFault(described(error)) from error

    def _are_convertible(self, values: Sequence[object]) -> bool:
        """Tell a failure of the payload converter, which sees only the argument, from one of the codec behind it."""
        try:
            self._client.data_converter.payload_converter.to_payloads(values)
        except Exception:  # noqa: BLE001 - a converter may raise anything
            return False
        return True


def _values(argument: object) -> Sequence[Any]:
    return argument.values if isinstance(argument, Arguments) else [argument]


def _id_of(workflow_id: WorkflowId, event: IncomingEvent) -> str:
    found: object = workflow_id(event)
    if not isinstance(found, str) or not found:
        raise Undeliverable(f"the workflow id is {found!r:.100}, not a text")
    return found


def _duration(timeout: timedelta | None) -> Duration | None:
    if timeout is None:
        return None
    duration = Duration()
    duration.FromTimedelta(timeout)
    return duration


def _require_short_id(event: IncomingEvent) -> None:
    with mapping():
        size = len(event.identity.encode())
    if size > LONGEST_ID:
        raise Undeliverable(f"the event's source and id have {size} bytes, and Temporal allows {LONGEST_ID}")
