"""Delivers one event to Temporal, so that the same event twice has one effect, and interprets Temporal's answer.

The event's source and id are the request id, by which the server drops repetitions. The SDK's own calls choose random
request ids, so the raw gRPC requests are built here. The server alone acknowledges a start or a signal; no worker has
to run.
"""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payloads, SearchAttributes, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, ResourceExhaustedFailure
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.kafka.events import IncomingEvent, started_by, traceparent_of
from twinsaga_bridges.kafka.routes import NOTHING, Choose, Route, Signal, SignalWithStart, Start, Update

EVENT_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Exceptions of bad data or of a bug. Code that may also fail on its network calls raises them about the event."""

RPC_DEADLINE = timedelta(seconds=10)
LONGEST_DESCRIPTION = 1_000

LONGEST_ID = 1_000
"""Bytes. Temporal's default limit. The event's id becomes the id of the request."""

LARGE = 1024 * 1024
"""Bytes. A smaller request is below every size limit: that of Temporal (2 MB) and that of gRPC (4 MB)."""

LARGEST_UPDATE = 2 * 1024 * 1024
"""Bytes. Temporal's default limit for payloads. It rejects larger starts and signals, but accepts a larger update,
and then no worker can complete a task of that workflow any more."""


class Undeliverable(Exception):
    """No retry helps: the event cannot be mapped or encoded, arrives too late, or the workflow rejects it."""


class NoWorkflow(Undeliverable):
    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"no workflow runs under the id {workflow_id}")


class CodecFault(Exception):
    """The payload codec or the external storage failed, for example because its keys cannot be read. Retry."""


class TemporalAway(Exception):
    """Temporal did not acknowledge. Whether the call had an effect is unknown; repeating it is harmless."""


class NotFound(TemporalAway):
    """No workflow runs under the id: it has ended, or never started."""


class AlreadyExists(TemporalAway):
    """A workflow runs, or has run, under the id."""


class Delivery:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def deliver(self, event: IncomingEvent, route: Route | Choose | None) -> None:
        """Return when Temporal has acknowledged the event.

        Raises:
            Undeliverable: no retry helps; the event is for the dead letters.
            Exception: anything else (TemporalAway, CodecFault, what `Choose` or `TooLate` raise when a service that
                they call is away) concerns every event; deliver this one again.
        """
        # Before `Choose`, which may write: what Temporal refuses whatever the route must not leave a half-done effect.
        _require_short_id(event)
        if callable(route):
            with _event_faults():
                route = await route(event)
        match route:
            case Start():
                await self._start(event, route)
            case Signal():
                await self._signal(event, route)
            case SignalWithStart():
                await self._signal_with_start(event, route)
            case Update():
                await self._update(event, route)

    async def _start(self, event: IncomingEvent, start: Start) -> None:
        with _mapping():
            request = StartWorkflowExecutionRequest(**await self._start_fields(event, start))
        call = self._client.workflow_service.start_workflow_execution(request, timeout=RPC_DEADLINE)
        with suppress(AlreadyExists):
            await acknowledged(call, request.ByteSize())

    async def _signal(self, event: IncomingEvent, route: Signal) -> None:
        with _mapping():
            payloads = await self._encoded(route.argument(event))
            request = self._signal_request(event, route.workflow_id(event), route.signal, payloads)
        try:
            await self._send_signal(request)
        except NoWorkflow:
            if route.too_late is None:
                raise
            with _event_faults():
                await route.too_late(event)

    async def _signal_with_start(self, event: IncomingEvent, route: SignalWithStart) -> None:
        with _mapping():
            payloads = await self._encoded(route.argument(event))
            request = SignalWithStartWorkflowExecutionRequest(
                **await self._start_fields(event, route.start), signal_name=route.signal, signal_input=payloads
            )
        call = self._client.workflow_service.signal_with_start_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except AlreadyExists:
            # The workflow has ended. A plain signal with the same request id succeeds if that run had received the
            # event, and fails if the event is new and too late.
            await self._send_signal(self._signal_request(event, request.workflow_id, route.signal, payloads))

    async def _update(self, event: IncomingEvent, route: Update) -> None:
        with _mapping():
            argument = route.argument(event)
            size = (await self._encoded(argument)).ByteSize()
            handle = self._client.get_workflow_handle(route.workflow_id(event))
        if size > LARGEST_UPDATE:
            raise Undeliverable(f"an update of {size} bytes is too large for a workflow")
        arguments = [] if argument is NOTHING else [argument]
        call = handle.execute_update(route.update, args=arguments, id=event.identity, rpc_timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, size)
        except NotFound as error:
            raise NoWorkflow(handle.id) from error
        except WorkflowUpdateFailedError as error:
            raise Undeliverable(f"the workflow rejected the update: {error.cause}") from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise TemporalAway("no worker answered the update in time") from error

    async def _send_signal(self, request: SignalWorkflowExecutionRequest) -> None:
        call = self._client.workflow_service.signal_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except NotFound as error:
            raise NoWorkflow(request.workflow_execution.workflow_id) from error

    def _signal_request(
        self, event: IncomingEvent, workflow_id: str, signal: str, payloads: Payloads
    ) -> SignalWorkflowExecutionRequest:
        return SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=signal,
            input=payloads,
            identity=self._client.identity,
            request_id=event.identity,
        )

    async def _start_fields(self, event: IncomingEvent, start: Start) -> dict[str, Any]:
        """A workflow that runs, or has run, under the same id is left alone."""
        summary = attributes = None
        if start.summary is not None:
            summary = UserMetadata(summary=(await self._encoded(start.summary)).payloads[0])
        if start.search_attributes is not None:
            attributes = SearchAttributes()
            encode_search_attributes(start.search_attributes(event), attributes)
        return {
            "namespace": self._client.namespace,
            "workflow_id": start.workflow_id(event),
            "workflow_type": WorkflowType(name=start.workflow),
            "task_queue": TaskQueue(name=start.task_queue),
            "input": await self._encoded(start.argument(event)),
            "identity": self._client.identity,
            "request_id": event.identity,
            "workflow_id_reuse_policy": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            "workflow_id_conflict_policy": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            "user_metadata": summary,
            "search_attributes": attributes,
            "header": started_by(event.id, traceparent_of(event.record)),
        }

    async def _encoded(self, argument: object) -> Payloads:
        if argument is NOTHING:
            return Payloads()
        try:
            return Payloads(payloads=await self._client.data_converter.encode([argument]))
        except Exception as error:
            if concerns_event(error) or not self._is_convertible(argument):
                message = f"{type(argument).__name__} cannot be encoded: {described(error)}"
                raise Undeliverable(message) from error
            raise CodecFault(described(error)) from error

    def _is_convertible(self, argument: object) -> bool:
        """Tell a failure of the payload converter, which sees only the argument, from one of the codec behind it."""
        try:
            self._client.data_converter.payload_converter.to_payloads([argument])
        except Exception:  # noqa: BLE001 - a converter may raise anything
            return False
        return True


async def acknowledged(call: Awaitable[object], request_bytes: int) -> None:
    """Return when Temporal has accepted the call.

    Raises:
        Undeliverable: no retry helps.
        NotFound, AlreadyExists: what that means depends on the call.
        TemporalAway: any other error; retry.
    """
    try:
        with _event_faults():
            await call
    except RPCError as error:
        raise _meaning_of(error, request_bytes) from error


def _require_short_id(event: IncomingEvent) -> None:
    with _mapping():
        size = len(event.id.encode())
    if size > LONGEST_ID:
        raise Undeliverable(f"the event's id has {size} bytes, and Temporal allows {LONGEST_ID}")


@contextmanager
def _mapping() -> Iterator[None]:
    """For code that calls a route's functions: they see only the event, so what they raise is about it."""
    try:
        yield
    except (Undeliverable, CodecFault):
        raise
    except Exception as error:
        raise Undeliverable(f"the event cannot be mapped: {described(error)}") from error


@contextmanager
def _event_faults() -> Iterator[None]:
    """For a call that may fail because of the event or of a server: the class of the exception tells which."""
    try:
        yield
    except Exception as error:
        if concerns_event(error):
            raise Undeliverable(f"the event cannot be handled: {described(error)}") from error
        raise


def concerns_event(error: Exception) -> bool:
    # ssl.CertificateError is a ValueError and an OSError. An OSError is always about a connection or a disk.
    return isinstance(error, EVENT_FAULTS) and not isinstance(error, OSError)


def described(error: Exception) -> str:
    """Return the exception's class and message in bounded, valid UTF-8: it becomes a header of the dead letter."""
    text = f"{type(error).__name__}: {error}"[:LONGEST_DESCRIPTION]
    # JSON may contain lone surrogates, and exceptions quote what they were given.
    return text.encode(errors="backslashreplace").decode()


def _meaning_of(error: RPCError, request_bytes: int) -> Exception:
    match error.status:
        case RPCStatusCode.INVALID_ARGUMENT:
            return Undeliverable(f"Temporal rejects the request: {error}")
        case RPCStatusCode.RESOURCE_EXHAUSTED if request_bytes > LARGE and not _has(error, ResourceExhaustedFailure):
            # A rate limit of Temporal comes with details; gRPC's own size limit has the same status without any.
            return Undeliverable(f"the request is too large for Temporal: {error}")
        case RPCStatusCode.NOT_FOUND if _has(error, NamespaceNotFoundFailure):
            return TemporalAway(f"the namespace does not exist: {error}")
        case RPCStatusCode.NOT_FOUND:
            return NotFound(str(error))
        case RPCStatusCode.ALREADY_EXISTS:
            return AlreadyExists(str(error))
    return TemporalAway(f"{error.status.name}: {error}")


def _has(error: RPCError, detail: type[NamespaceNotFoundFailure | ResourceExhaustedFailure]) -> bool:
    return any(found.Is(detail.DESCRIPTOR) for found in error.grpc_status.details)
