"""How the API acts on an order under way: through its workflow, or through the services of the choreography."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from temporalio.client import (
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from api.dependencies import StepAttempt
from api.errors import away
from api.problems import NotPossibleNow
from domain.commands import RefundPayment, RequestCancellation
from domain.ids import OrderId
from domain.order import OrderOutcome, Reason, Step
from processes.api.saga_progress import steps_being_tried
from processes.api.saga_starter import AWAY, Temporal
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService
from services.shipping.store import ShipmentStatus
from workflows.order_saga import OrderSaga, workflow_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratedControl:
    """Through the order's workflow."""

    temporal: Temporal
    deadline_s: float = 5.0

    @property
    def _rpc_timeout(self) -> timedelta:
        return timedelta(seconds=self.deadline_s)

    async def trying(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:
        try:
            async with asyncio.timeout(self.deadline_s):
                return await steps_being_tried(await self._handle(order_id))
        except (*AWAY, WorkflowQueryFailedError):  # the order is shown all the same
            return {}

    async def cancel(self, order_id: OrderId) -> None:
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.cancel, id="cancel", rpc_timeout=self._rpc_timeout)

    async def retry_compensation(self, order_id: OrderId, attention: str) -> None:
        episode = f"retry/{sha256(attention.encode()).hexdigest()}"  # it says since when the compensation fails
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.retry_compensation, id=episode, rpc_timeout=self._rpc_timeout)

    @asynccontextmanager
    async def _workflow_of(self, order_id: OrderId) -> AsyncIterator[WorkflowHandle[OrderSaga, OrderOutcome]]:
        """Put what Temporal answers into the API's words.

        A worker answers an update. Without one, whether it was heard stays unknown, so it has to bear repetition.
        """
        try:
            async with asyncio.timeout(self.deadline_s):
                yield await self._handle(order_id)
        except WorkflowUpdateFailedError as refused:
            raise NotPossibleNow(str(refused.cause)) from refused
        except WorkflowUpdateRPCTimeoutOrCancelledError as silence:
            raise away("the order's saga") from silence
        except AWAY as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                raise NotPossibleNow("no saga of the order is under way") from error
            raise away("Temporal") from error

    async def _handle(self, order_id: OrderId) -> WorkflowHandle[OrderSaga, OrderOutcome]:
        return (await self.temporal.client()).get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreographedControl:
    """Over services whose events are published: the policies do the rest."""

    orders: OrderService
    payments: PaymentService
    inventory: InventoryService
    shipping: ShippingService

    async def trying(self, order_id: OrderId) -> Mapping[Step, StepAttempt]:  # noqa: ARG002 - every attempt is on record
        return {}

    async def cancel(self, order_id: OrderId) -> None:
        """Refuse here only what is plainly too late: the owner of the pivot has the last word."""
        shipment = await asyncio.to_thread(self.shipping.find, order_id)
        if shipment is not None and shipment.status is ShipmentStatus.SCHEDULED:
            raise NotPossibleNow("the order is on its way")
        command = RequestCancellation(order_id=order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
        await asyncio.to_thread(self.orders.request_cancellation, command)

    async def retry_compensation(self, order_id: OrderId, attention: str) -> None:  # noqa: ARG002 - a refund is one
        """The refund is the one compensation that can keep failing: its event lets the policies go on from there."""
        await asyncio.to_thread(self._refund, order_id)

    def _refund(self, order_id: OrderId) -> None:
        reason = self._reason_of(order_id)
        self.payments.refund(RefundPayment(order_id=order_id, reason=reason, asked_by_operator=True))

    def _reason_of(self, order_id: OrderId) -> Reason:
        undone = self.shipping.find(order_id), self.inventory.find(order_id), self.payments.find(order_id)
        known = next((record.reason for record in undone if record and record.reason), None)
        return known or Reason.CANCELLED_BY_CUSTOMER
