"""Makes of an event the calls that Temporal deduplicates: their request id is the event's id.

The SDK's own calls make request ids at random, hence the raw ones.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.converter import encode_search_attributes

from twinsaga_bridges.kafka.events import IncomingEvent
from twinsaga_bridges.kafka.headers import started_by
from twinsaga_bridges.kafka.routes import NOTHING, Signal, SignalWithStart, Start

P = ParamSpec("P")
T = TypeVar("T")

UNMAPPABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What the functions of a route raise for an event that no repetition helps."""


class Undeliverable(Exception):
    """No repetition helps: the event cannot be mapped, comes too late, or the workflow rejects it."""


def mapped(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a route. Raises Undeliverable where it raises one of UNMAPPABLE."""
    try:
        return function(*args, **kwargs)
    except UNMAPPABLE as error:
        raise Undeliverable(f"the event cannot be mapped: {error!r}") from error


class Requests:
    """Raises Undeliverable when a route's function fails on the event, or what it makes cannot be encoded."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, event: IncomingEvent, start: Start) -> StartWorkflowExecutionRequest:
        request = StartWorkflowExecutionRequest(**await self._beginning(event, start))
        _describe(request, event, start)
        return request

    async def signal_with_start(
        self, event: IncomingEvent, route: SignalWithStart
    ) -> SignalWithStartWorkflowExecutionRequest:
        request = SignalWithStartWorkflowExecutionRequest(
            **await self._beginning(event, route.start),
            signal_name=route.signal,
            signal_input=await self.encoded(mapped(route.argument, event)),
        )
        _describe(request, event, route.start)
        return request

    async def signal(self, event: IncomingEvent, route: Signal) -> SignalWorkflowExecutionRequest:
        return self.plain_signal(
            event, mapped(route.workflow_id, event), route.signal, await self.encoded(mapped(route.argument, event))
        )

    def plain_signal(
        self, event: IncomingEvent, workflow_id: str, signal: str, payloads: Payloads
    ) -> SignalWorkflowExecutionRequest:
        return SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=signal,
            input=payloads,
            identity=self._client.identity,
            request_id=event.id,
        )

    async def encoded(self, argument: object) -> Payloads:
        if argument is NOTHING:
            return Payloads()
        try:
            return Payloads(payloads=await self._client.data_converter.encode([argument]))
        except (TypeError, ValueError) as error:
            raise Undeliverable(f"{type(argument).__name__} cannot be encoded: {error}") from error

    async def _beginning(self, event: IncomingEvent, start: Start) -> dict[str, Any]:
        """One that runs or has ended under the id is left as it is."""
        return {
            "namespace": self._client.namespace,
            "workflow_id": mapped(start.workflow_id, event),
            "workflow_type": WorkflowType(name=start.workflow),
            "task_queue": TaskQueue(name=start.task_queue),
            "input": await self.encoded(mapped(start.argument, event)),
            "identity": self._client.identity,
            "request_id": event.id,
            "workflow_id_reuse_policy": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            "workflow_id_conflict_policy": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            "user_metadata": await self._summary(start),
            "header": started_by(event.id, mapped(event.record.header, "ce_traceparent")),
        }

    async def _summary(self, start: Start) -> UserMetadata | None:
        if start.summary is None:
            return None
        (payload,) = await self._client.data_converter.encode([start.summary])
        return UserMetadata(summary=Payload(metadata=payload.metadata, data=payload.data))


def _describe(
    request: StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest, event: IncomingEvent, start: Start
) -> None:
    if start.search_attributes is not None:
        encode_search_attributes(mapped(start.search_attributes, event), request.search_attributes)
