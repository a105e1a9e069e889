"""Delivers one event to Temporal, so that the same event twice has one effect, and interprets Temporal's answer.

The server alone acknowledges a start or a signal; no worker has to run.
"""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, ResourceExhaustedFailure
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.kafka.events import IncomingEvent
from twinsaga_bridges.kafka.routes import Choose, Route, Signal, SignalWithStart, Start, Update
from twinsaga_bridges.kafka.temporal_requests import CodecFault, Requests, Undeliverable, concerns_event, described

T = TypeVar("T")

RPC_DEADLINE = timedelta(seconds=10)

LARGE = 1024 * 1024
"""Bytes. A smaller request is below every size limit: that of Temporal (2 MB) and that of gRPC (4 MB)."""

LARGEST_UPDATE = 2 * 1024 * 1024
"""Bytes. Temporal's default limit for payloads. It rejects larger starts and signals, but accepts a larger update,
and then no worker can complete a task of that workflow any more."""


class TemporalAway(Exception):
    """Temporal did not acknowledge. Whether the call had an effect is unknown; repeating it is harmless."""


class NotFound(TemporalAway):
    """No workflow runs under the id: it has ended, or never started."""


class AlreadyExists(TemporalAway):
    """A workflow runs, or has run, under the id."""


class NoWorkflow(Undeliverable):
    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"no workflow runs under the id {workflow_id}")


class Delivery:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._requests = Requests(client)

    async def deliver(self, event: IncomingEvent, route: Route | Choose | None) -> None:
        """Return when Temporal has acknowledged the event.

        Raises:
            Undeliverable: no retry helps; the event is for the dead letters.
            Exception: anything else (TemporalAway, CodecFault, what `Choose` or `TooLate` raise when a service that
                they call is away) concerns every event; deliver this one again.
        """
        if callable(route):
            route = await _about_event(route(event))
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
        request = await _built(self._requests.start(event, start))
        call = self._client.workflow_service.start_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except AlreadyExists:
            return

    async def _signal(self, event: IncomingEvent, route: Signal) -> None:
        request = await _built(self._requests.signal(event, route))
        try:
            await self._send_signal(request)
        except NoWorkflow:
            if route.too_late is None:
                raise
            await _about_event(route.too_late(event))

    async def _signal_with_start(self, event: IncomingEvent, route: SignalWithStart) -> None:
        request = await _built(self._requests.signal_with_start(event, route))
        call = self._client.workflow_service.signal_with_start_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except AlreadyExists:
            # The workflow has ended. A plain signal with the same request id succeeds if that run had received the
            # event, and fails if the event is new and too late.
            await self._send_signal(
                self._requests.plain_signal(event, request.workflow_id, route.signal, request.signal_input)
            )

    async def _send_signal(self, request: SignalWorkflowExecutionRequest) -> None:
        call = self._client.workflow_service.signal_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except NotFound as error:
            raise NoWorkflow(request.workflow_execution.workflow_id) from error

    async def _update(self, event: IncomingEvent, route: Update) -> None:
        update = await _built(self._requests.update(event, route))
        if update.size > LARGEST_UPDATE:
            raise Undeliverable(f"an update of {update.size} bytes is too large for a workflow")
        handle = self._client.get_workflow_handle(update.workflow_id)
        call = handle.execute_update(route.update, args=update.arguments, id=event.id, rpc_timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, update.size)
        except NotFound as error:
            raise NoWorkflow(handle.id) from error
        except WorkflowUpdateFailedError as error:
            raise Undeliverable(f"the workflow rejected the update: {error.cause}") from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise TemporalAway("no worker answered the update in time") from error


async def acknowledged(call: Awaitable[object], request_bytes: int) -> None:
    """Return when Temporal has accepted the call.

    Raises:
        Undeliverable: no retry helps.
        NotFound, AlreadyExists: as the names say; what that means depends on the call.
        TemporalAway: any other error; retry.
    """
    try:
        await _about_event(call)
    except RPCError as error:
        raise _meaning_of(error, request_bytes) from error


async def _built(request: Awaitable[T]) -> T:
    """Await a request that a route's functions build. They see only the event, so what they raise is about it."""
    try:
        return await request
    except (Undeliverable, CodecFault):
        raise
    except Exception as error:
        raise Undeliverable(f"the event cannot be mapped: {described(error)}") from error


async def _about_event(call: Awaitable[T]) -> T:
    """Await a call that may fail for reasons of the event or of a server, and tell the two apart by the exception."""
    try:
        return await call
    except Exception as error:
        if concerns_event(error):
            raise Undeliverable(f"the event cannot be handled: {described(error)}") from error
        raise


class _Message(Protocol):
    DESCRIPTOR: Any


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


def _has(error: RPCError, detail: type[_Message]) -> bool:
    return any(found.Is(detail.DESCRIPTOR) for found in error.grpc_status.details)
