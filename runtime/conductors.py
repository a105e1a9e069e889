"""How the API acts on an order under way: through its workflow, or through the services of the choreography."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from api.errors import away
from api.problems import NotPossibleNow
from domain.commands import RefundPayment, RequestCancellation, SettlePayment
from domain.ids import OrderId
from domain.order import Reason
from runtime.saga_starter import AWAY, Temporal
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService
from services.shipping.store import ShipmentStatus
from workflows.order_saga import OrderOutcome, OrderSaga, workflow_id

DEADLINE_S = 5.0
RPC_DEADLINE = timedelta(seconds=DEADLINE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratedConductor:
    """Through the order's workflow. `payments` books what is paid when none runs."""

    temporal: Temporal
    payments: PaymentService

    async def cancel(self, order_id: OrderId) -> None:
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.cancel, id="cancel", rpc_timeout=RPC_DEADLINE)

    async def retry_compensation(self, order_id: OrderId) -> None:
        async with self._workflow_of(order_id) as workflow:
            await workflow.execute_update(OrderSaga.retry_compensation, rpc_timeout=RPC_DEADLINE)

    async def payment_settled(self, order_id: OrderId) -> None:
        """A signal, which Temporal takes without a worker. What comes after the end goes back."""
        try:
            async with self._workflow_of(order_id) as workflow:
                await workflow.signal(OrderSaga.payment_settled, rpc_timeout=RPC_DEADLINE)
        except NotPossibleNow:
            await asyncio.to_thread(self.payments.settle, SettlePayment(order_id=order_id))

    @asynccontextmanager
    async def _workflow_of(self, order_id: OrderId) -> AsyncIterator[WorkflowHandle[OrderSaga, OrderOutcome]]:
        """Put what Temporal answers into the API's words.

        A worker answers an update. Without one, whether it was heard stays unknown, so it has to bear repetition.
        """
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield (await self.temporal.client()).get_workflow_handle_for(OrderSaga.run, workflow_id(order_id))
        except WorkflowUpdateFailedError as refused:
            raise NotPossibleNow(str(refused.cause)) from refused
        except WorkflowUpdateRPCTimeoutOrCancelledError as silence:
            raise away("the order's saga") from silence
        except AWAY as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                raise NotPossibleNow("no saga of the order is under way") from error
            raise away("Temporal") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreographedConductor:
    """Over services whose events are published: the policies do the rest."""

    orders: OrderService
    payments: PaymentService
    inventory: InventoryService
    shipping: ShippingService

    async def cancel(self, order_id: OrderId) -> None:
        """Refuse here only what is plainly too late: the owner of the pivot has the last word."""
        shipment = await asyncio.to_thread(self.shipping.find, order_id)
        if shipment is not None and shipment.status is ShipmentStatus.SCHEDULED:
            raise NotPossibleNow("the order is on its way")
        command = RequestCancellation(order_id=order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
        await asyncio.to_thread(self.orders.request_cancellation, command)

    async def retry_compensation(self, order_id: OrderId) -> None:
        """The refund is the one compensation that can keep failing: its event lets the policies go on from there."""
        await asyncio.to_thread(self._refund, order_id)

    async def payment_settled(self, order_id: OrderId) -> None:
        await asyncio.to_thread(self.payments.settle, SettlePayment(order_id=order_id))

    def _refund(self, order_id: OrderId) -> None:
        reason = self._reason_of(order_id)
        self.payments.refund(RefundPayment(order_id=order_id, reason=reason, asked_by_operator=True))

    def _reason_of(self, order_id: OrderId) -> Reason:
        undone = self.shipping.find(order_id), self.inventory.find(order_id), self.payments.find(order_id)
        known = next((record.reason for record in undone if record and record.reason), None)
        return known or Reason.CANCELLED_BY_CUSTOMER
