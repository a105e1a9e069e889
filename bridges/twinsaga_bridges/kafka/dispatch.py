"""Hands one event to Temporal, so that the same event twice has one effect.

A start or signal is acknowledged by the server alone; no worker has to run.
"""

from datetime import timedelta

from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError

from twinsaga_bridges.kafka.events import IncomingEvent
from twinsaga_bridges.kafka.routes import NOTHING, Choose, Route, Signal, SignalWithStart, Start, Update
from twinsaga_bridges.kafka.temporal_errors import LARGEST_UPDATE, AlreadyThere, NotThere, TemporalAway, acknowledged
from twinsaga_bridges.kafka.temporal_requests import UNMAPPABLE, Requests, Undeliverable, mapped

__all__ = ["Delivery", "TemporalAway", "Undeliverable"]

RPC_DEADLINE = timedelta(seconds=10)


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
            Undeliverable: it is for the dead letters.
            TemporalAway: it was not acknowledged; deliver it again.
        """
        if callable(route):
            route = await _chosen(route, event)
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
        request = await self._requests.start(event, start)
        call = self._client.workflow_service.start_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except AlreadyThere:
            return

    async def _signal(self, event: IncomingEvent, route: Signal) -> None:
        request = await self._requests.signal(event, route)
        try:
            await self._send(request)
        except NoWorkflow:
            if route.too_late is None:
                raise
            await route.too_late(event)

    async def _signal_with_start(self, event: IncomingEvent, route: SignalWithStart) -> None:
        request = await self._requests.signal_with_start(event, route)
        call = self._client.workflow_service.signal_with_start_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except AlreadyThere:
            # The workflow has ended. A plain signal tells a repetition, which that run had, from what is too late.
            await self._send(
                self._requests.plain_signal(event, request.workflow_id, route.signal, request.signal_input)
            )

    async def _send(self, request: SignalWorkflowExecutionRequest) -> None:
        call = self._client.workflow_service.signal_workflow_execution(request, timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, request.ByteSize())
        except NotThere as error:
            raise NoWorkflow(request.workflow_execution.workflow_id) from error

    async def _update(self, event: IncomingEvent, route: Update) -> None:
        handle = self._client.get_workflow_handle(mapped(route.workflow_id, event))
        argument = mapped(route.argument, event)
        arguments = [] if argument is NOTHING else [argument]
        size = (await self._requests.encoded(argument)).ByteSize()
        if size > LARGEST_UPDATE:
            raise Undeliverable(f"an update of {size} bytes is more than a workflow can take")
        call = handle.execute_update(route.update, args=arguments, id=event.id, rpc_timeout=RPC_DEADLINE)
        try:
            await acknowledged(call, size)
        except NotThere as error:
            raise NoWorkflow(handle.id) from error
        except WorkflowUpdateFailedError as error:
            raise Undeliverable(f"the workflow rejected it: {error.cause}") from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise TemporalAway("no worker answered the update in time") from error


async def _chosen(choose: Choose, event: IncomingEvent) -> Route | None:
    try:
        return await choose(event)
    except UNMAPPABLE as error:
        raise Undeliverable(f"the event cannot be mapped: {error!r}") from error
