"""Builds the requests that Temporal deduplicates: the event's id is the request id.

The SDK's own calls choose random request ids, so the raw gRPC requests are built here.
"""

from dataclasses import dataclass
from typing import Any

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
from twinsaga_bridges.kafka.routes import NOTHING, Signal, SignalWithStart, Start, Update

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

LONGEST_DESCRIPTION = 1_000


class Undeliverable(Exception):
    """No retry helps: the event cannot be mapped or encoded, arrives too late, or the workflow rejects it."""


class CodecFault(Exception):
    """The payload codec or the external storage failed, for example because its keys cannot be read. Retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall:
    workflow_id: str
    arguments: list[Any]
    size: int
    """Bytes of the encoded arguments."""


def concerns_event(error: Exception) -> bool:
    # ssl.CertificateError is a ValueError and an OSError. An OSError is always about a connection or a disk.
    return isinstance(error, EVENT_FAULTS) and not isinstance(error, OSError)


def described(error: Exception) -> str:
    """Return the exception's class and message in bounded, valid UTF-8: it becomes a header of the dead letter."""
    text = f"{type(error).__name__}: {error}"[:LONGEST_DESCRIPTION]
    # JSON may contain lone surrogates, and exceptions quote what they were given.
    return text.encode(errors="backslashreplace").decode()


class Requests:
    """The routes' functions are called here. Any exception but CodecFault concerns the event, so no retry helps."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, event: IncomingEvent, start: Start) -> StartWorkflowExecutionRequest:
        request = StartWorkflowExecutionRequest(**await self._start_fields(event, start))
        _add_search_attributes(request, event, start)
        return request

    async def signal_with_start(
        self, event: IncomingEvent, route: SignalWithStart
    ) -> SignalWithStartWorkflowExecutionRequest:
        request = SignalWithStartWorkflowExecutionRequest(
            **await self._start_fields(event, route.start),
            signal_name=route.signal,
            signal_input=await self._encoded(route.argument(event)),
        )
        _add_search_attributes(request, event, route.start)
        return request

    async def signal(self, event: IncomingEvent, route: Signal) -> SignalWorkflowExecutionRequest:
        payloads = await self._encoded(route.argument(event))
        return self.plain_signal(event, route.workflow_id(event), route.signal, payloads)

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

    async def update(self, event: IncomingEvent, route: Update) -> UpdateCall:
        argument = route.argument(event)
        payloads = await self._encoded(argument)
        return UpdateCall(
            workflow_id=route.workflow_id(event),
            arguments=[] if argument is NOTHING else [argument],
            size=payloads.ByteSize(),
        )

    async def _start_fields(self, event: IncomingEvent, start: Start) -> dict[str, Any]:
        """A workflow that runs, or has run, under the same id is left alone."""
        return {
            "namespace": self._client.namespace,
            "workflow_id": start.workflow_id(event),
            "workflow_type": WorkflowType(name=start.workflow),
            "task_queue": TaskQueue(name=start.task_queue),
            "input": await self._encoded(start.argument(event)),
            "identity": self._client.identity,
            "request_id": event.id,
            "workflow_id_reuse_policy": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            "workflow_id_conflict_policy": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            "user_metadata": await self._summary(start),
            "header": started_by(event.id, event.record.header("ce_traceparent")),
        }

    async def _summary(self, start: Start) -> UserMetadata | None:
        if start.summary is None:
            return None
        (payload,) = (await self._encoded(start.summary)).payloads
        return UserMetadata(summary=Payload(metadata=payload.metadata, data=payload.data))

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


def _add_search_attributes(
    request: StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest, event: IncomingEvent, start: Start
) -> None:
    if start.search_attributes is not None:
        encode_search_attributes(start.search_attributes(event), request.search_attributes)
