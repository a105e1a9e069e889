"""Hands one event to Temporal, so that the same event twice has one effect.

The server deduplicates by request id, which the SDK's own calls make at random: hence the raw calls. Their request id
is the event's id. A start or signal is acknowledged by the server alone; no worker has to run.
"""

from datetime import timedelta

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
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

from bridges.kafka_events import IncomingEvent
from bridges.kafka_routes import Choose, Route, Signal, SignalWithStart, Start, Update

RPC_DEADLINE = timedelta(seconds=10)
_CLOSED_OR_NEVER = RPCStatusCode.NOT_FOUND


class Undeliverable(Exception):
    """No repetition helps: the event cannot be mapped, comes too late, or the workflow rejects it."""


class TemporalAway(Exception):
    """There was no acknowledgement; whether there was an effect is unknown, and repeating is harmless."""


class Delivery:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def deliver(self, event: IncomingEvent, route: Route | Choose | None) -> None:
        """Return when Temporal has acknowledged the event.

        Raises:
            Undeliverable: it is for the dead letters.
            TemporalAway: it was not acknowledged; deliver it again.
        """
        try:
            if callable(route):
                route = await route(event)
            match route:
                case Start():
                    await self._start(event, route)
                case Signal():
                    await self._signal(event, route.workflow_id(event), route.signal, route.argument(event))
                case SignalWithStart():
                    await self._signal_with_start(event, route)
                case Update():
                    await self._update(event, route)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Undeliverable(f"the event cannot be mapped: {error!r}") from error
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise Undeliverable(f"Temporal refuses it: {error}") from error
            raise TemporalAway(str(error)) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise TemporalAway("no worker answered the update in time") from error

    async def _start(self, event: IncomingEvent, start: Start) -> None:
        request = StartWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=start.workflow_id(event),
            workflow_type=WorkflowType(name=start.workflow),
            task_queue=TaskQueue(name=start.task_queue),
            input=await self._encoded(start.argument(event)),
            identity=self._client.identity,
            request_id=event.id,
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            user_metadata=await self._summary(start),
        )
        if start.search_attributes is not None:
            encode_search_attributes(start.search_attributes(event), request.search_attributes)
        try:
            await self._client.workflow_service.start_workflow_execution(request, timeout=RPC_DEADLINE)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise

    async def _signal(self, event: IncomingEvent, workflow_id: str, signal: str, argument: object) -> None:
        request = SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=signal,
            input=await self._encoded(argument),
            identity=self._client.identity,
            request_id=event.id,
        )
        try:
            await self._client.workflow_service.signal_workflow_execution(request, timeout=RPC_DEADLINE)
        except RPCError as error:
            if error.status is not _CLOSED_OR_NEVER:
                raise
            raise Undeliverable(f"no workflow runs under the id {workflow_id}") from error

    async def _signal_with_start(self, event: IncomingEvent, route: SignalWithStart) -> None:
        start, argument = route.start, route.argument(event)
        request = SignalWithStartWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=start.workflow_id(event),
            workflow_type=WorkflowType(name=start.workflow),
            task_queue=TaskQueue(name=start.task_queue),
            input=await self._encoded(start.argument(event)),
            identity=self._client.identity,
            request_id=event.id,
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            signal_name=route.signal,
            signal_input=await self._encoded(argument),
            user_metadata=await self._summary(start),
        )
        if start.search_attributes is not None:
            encode_search_attributes(start.search_attributes(event), request.search_attributes)
        try:
            await self._client.workflow_service.signal_with_start_workflow_execution(request, timeout=RPC_DEADLINE)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
            # The workflow has ended. A plain signal tells a repetition, which that run had, from what is too late.
            await self._signal(event, request.workflow_id, route.signal, argument)

    async def _update(self, event: IncomingEvent, route: Update) -> None:
        handle = self._client.get_workflow_handle(route.workflow_id(event))
        try:
            await handle.execute_update(route.update, route.argument(event), id=event.id, rpc_timeout=RPC_DEADLINE)
        except WorkflowUpdateFailedError as error:
            raise Undeliverable(f"the workflow rejected it: {error.cause}") from error
        except RPCError as error:
            if error.status is not _CLOSED_OR_NEVER:
                raise
            raise Undeliverable(f"no workflow runs under the id {handle.id}") from error

    async def _encoded(self, argument: object) -> Payloads:
        return Payloads(payloads=await self._client.data_converter.encode([argument]))

    async def _summary(self, start: Start) -> UserMetadata | None:
        if start.summary is None:
            return None
        (payload,) = await self._client.data_converter.encode([start.summary])
        return UserMetadata(summary=Payload(metadata=payload.metadata, data=payload.data))
