"""Acts on orders whose sagas run: through the workflow, or through the services of the choreography."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from adapters.sql.order_traces import continuing
from api.dependencies import StepAttempt
from api.problems import NotPossibleNow, away
from domain.commands import RefundPayment, RequestCancellation
from domain.ids import OrderId
from domain.order import OrderOutcome, OrderRequest, Reason, SagaStyle, Step
from messaging.tracing import Span
from processes.api.saga_progress import attempts_in
from processes.api.saga_starter import AWAY, Temporal
from runtime.payload_codec import UnreadablePayload
from runtime.republish import publish_again
from runtime.temporal import saga_status
from runtime.wiring import Services
from services.orders.store import Attention
from services.shipping.store import ShipmentStatus
from workflows.order_saga import OrderSaga, workflow_id

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratedControl:
    temporal: Temporal
    start_repair: Callable[[Client, OrderRequest], Awaitable[None]]
    deadline_s: float = 5.0

    @property
    def _rpc_timeout(self) -> timedelta:
        return timedelta(seconds=self.deadline_s)

    async def attempts_under_way(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:
        try:
            async with asyncio.timeout(self.deadline_s):
                return await attempts_in(await self.temporal.client(), order_id)
        except (*AWAY, WorkflowQueryFailedError):  # the services' records show the order without them
            return {}
        except UnreadablePayload as error:
            log.warning("the attempts of an order cannot be shown", order_id=order_id, error=str(error))
            return {}

    async def cancel(self, order_id: OrderId) -> None:
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.cancel, id="cancel", rpc_timeout=self._rpc_timeout)

    async def retry_compensation(self, order_id: OrderId, attention: Attention) -> None:
        # One update id per attention: Temporal drops the second of two requests about the same one.
        update_id = f"retry/{attention.step}/{attention.since.isoformat()}"
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.retry_compensation, id=update_id, rpc_timeout=self._rpc_timeout)

    async def repair(self, request: OrderRequest) -> None:
        try:
            async with asyncio.timeout(self.deadline_s):
                client = await self.temporal.client()
                if await saga_status(client, request.order_id) is WorkflowExecutionStatus.RUNNING:
                    raise NotPossibleNow("the order's saga is running, so there is nothing to repair")
                await self.start_repair(client, request)
        except AWAY as error:
            raise away("Temporal") from error

    @asynccontextmanager
    async def _workflow_of(self, order_id: OrderId) -> AsyncIterator[WorkflowHandle[OrderSaga, OrderOutcome]]:
        """Map the errors of Temporal to problems.

        A worker answers an update. Without a worker it may still be processed later, so it must be repeatable.
        """
        try:
            async with asyncio.timeout(self.deadline_s):
                yield await self._handle(order_id)
        except WorkflowUpdateFailedError as refused:
            raise NotPossibleNow(str(refused.cause)) from refused
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise away("the order's saga") from error
        except AWAY as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                raise NotPossibleNow("no saga of the order is running; repair the order to continue it") from error
            raise away("Temporal") from error

    async def _handle(self, order_id: OrderId) -> WorkflowHandle[OrderSaga, OrderOutcome]:
        return (await self.temporal.client()).get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreographedControl:
    """Calls services whose events are published; the policies of the choreography react to those."""

    services: Services

    async def attempts_under_way(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:  # noqa: ARG002 - the port's
        return {}  # the services record every attempt themselves

    async def cancel(self, order_id: OrderId) -> None:
        """Refuse only what is certainly too late. The Shipping service, which owns the pivot, decides the rest."""
        shipment = await asyncio.to_thread(self.services.shipping.find, order_id)
        if shipment is not None and shipment.status is ShipmentStatus.SCHEDULED:
            raise NotPossibleNow("shipping is scheduled, so the order can no longer be cancelled")
        command = RequestCancellation(order_id=order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
        await asyncio.to_thread(self._request_cancellation, command)

    async def retry_compensation(self, order_id: OrderId, attention: Attention) -> None:  # noqa: ARG002 - see below
        """Refund: no other compensation can run out of attempts. The policies continue from its event."""
        await asyncio.to_thread(self._refund, order_id)

    async def repair(self, request: OrderRequest) -> None:
        """Publish the order's events again. A service that has handled one drops the repetition."""
        await asyncio.to_thread(publish_again, self.services.databases, [request.order_id])

    def _request_cancellation(self, command: RequestCancellation) -> None:
        with self._in_trace_of(command.order_id, "cancel"):
            self.services.orders.request_cancellation(command)

    def _refund(self, order_id: OrderId) -> None:
        reason = self.services.orders.find(order_id).reason or self._recorded_reason(order_id)
        with self._in_trace_of(order_id, "retry refund"):
            self.services.payments.refund(RefundPayment(order_id=order_id, reason=reason, asked_by_operator=True))

    def _in_trace_of(self, order_id: OrderId, name: str) -> Span:
        return continuing(self.services.databases.orders, order_id, SagaStyle.CHOREOGRAPHED, name)

    def _recorded_reason(self, order_id: OrderId) -> Reason:
        services = self.services
        undone = services.shipping.find(order_id), services.inventory.find(order_id), services.payments.find(order_id)
        known = next((record.reason for record in undone if record and record.reason), None)
        return known or Reason.CANCELLED_BY_CUSTOMER
