"""How the API acts on an order under way: through its workflow, or through the services of the choreography."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
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
from workflows.order_saga import OrderSaga, workflow_id

UPDATE_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratedConductor:
    """Through updates of the order's workflow. `payments` books what is paid after the workflow has ended."""

    temporal: Temporal
    payments: PaymentService

    async def cancel(self, order_id: OrderId) -> None:
        if not await self._updated(order_id, "cancel", update_id="cancel"):
            raise NotPossibleNow("no saga of the order is under way")

    async def retry_compensation(self, order_id: OrderId) -> None:
        if not await self._updated(order_id, "retry_compensation", update_id=uuid4().hex):
            raise NotPossibleNow("no saga of the order is under way")

    async def payment_settled(self, order_id: OrderId) -> None:
        """A signal, which needs no worker; what comes after the saga's end is for the Payment service alone."""
        try:
            async with asyncio.timeout(UPDATE_DEADLINE_S):
                handle = (await self.temporal.client()).get_workflow_handle(workflow_id(order_id))
                await handle.signal(OrderSaga.payment_settled, rpc_timeout=timedelta(seconds=UPDATE_DEADLINE_S))
        except AWAY as error:
            if not (isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND):
                raise away("Temporal") from error
            await asyncio.to_thread(self.payments.settle, SettlePayment(order_id=order_id))

    async def _updated(self, order_id: OrderId, name: str, *, update_id: str) -> bool:
        """Return False when no such workflow runs.

        A worker answers an update. Without one, whether it was heard stays unknown, so it has to bear repetition.
        """
        try:
            async with asyncio.timeout(UPDATE_DEADLINE_S):
                handle = (await self.temporal.client()).get_workflow_handle(workflow_id(order_id))
                await handle.execute_update(name, id=update_id, rpc_timeout=timedelta(seconds=UPDATE_DEADLINE_S))
        except WorkflowUpdateFailedError as refused:
            raise NotPossibleNow(str(refused.cause)) from refused
        except WorkflowUpdateRPCTimeoutOrCancelledError as silence:
            raise away("the order's saga") from silence
        except AWAY as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise away("Temporal") from error
        return True


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
        shipment, reservation = self.shipping.find(order_id), self.inventory.find(order_id)
        known = (shipment and shipment.reason) or (reservation and reservation.reason)
        return known or Reason.CANCELLED_BY_CUSTOMER
