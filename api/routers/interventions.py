"""Requests by a customer, an operator or the payment gateway about an order whose saga is running."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.dependencies import Injected
from api.problems import NotPossibleNow, documented_write
from api.request_metrics import note_orders
from api.routers.orders import OrderIdInPath
from domain.ids import OrderId
from domain.order import OrderStatus
from services.intake.fields import Body, Id
from services.orders.store import Remedy

router = APIRouter(tags=["interventions"])

_FINISHED = frozenset({OrderStatus.CONFIRMED, OrderStatus.CANCELLED})


class Accepted(BaseModel):
    order_id: str
    status: Literal["accepted"] = "accepted"


class SettlementBody(Body):
    order_id: Id
    status: Literal["settled"]


@router.post("/orders/{order_id}/cancel", status_code=202, responses=documented_write(404, 409, 503))
async def cancel_order(order_id: OrderIdInPath, services: Injected) -> Accepted:
    """Request that the order is undone. Its saga decides whether it is too late."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    if record.status in _FINISHED:
        raise NotPossibleNow(f"the order is already {record.status}")
    await services.order_controls[record.style].cancel(order_id)
    return Accepted(order_id=order_id)


@router.post("/orders/{order_id}/compensation/retry", status_code=202, responses=documented_write(404, 409, 503))
async def retry_compensation(order_id: OrderIdInPath, services: Injected) -> Accepted:
    """Retry the compensation that ran out of attempts. The order then continues from there."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    if record.attention is None or record.status is not OrderStatus.NEEDS_ATTENTION:
        raise NotPossibleNow(f"no compensation waits for an operator: the order is {record.status}")
    if record.attention.remedy is Remedy.REPAIR:
        raise NotPossibleNow(f"no compensation waits for an operator: {record.attention.error}")
    await services.order_controls[record.style].retry_compensation(order_id, record.attention)
    return Accepted(order_id=order_id)


@router.post("/orders/{order_id}/repair", status_code=202, responses=documented_write(404, 409, 503))
async def repair_order(order_id: OrderIdInPath, services: Injected) -> Accepted:
    """Continue an unfinished order that nothing moves any more.

    Orchestrated: the order's workflow was terminated, has failed or is gone. A new one confirms the order if its
    shipment is scheduled, else undoes it; no effect is repeated. Choreographed: the order's events are published again.
    """
    record = await run_in_threadpool(services.order_records.find, order_id)
    if record.status in _FINISHED:
        raise NotPossibleNow(f"the order is already {record.status}")
    await services.order_controls[record.style].repair(record.request)
    return Accepted(order_id=order_id)


@router.post("/webhooks/payments", status_code=202, responses=documented_write(422, 503))
async def payment_settled(settlement: SettlementBody, services: Injected, request: Request) -> Accepted:
    """Report that the customer paid. An unknown order is accepted, too: the gateway could do nothing with a 404."""
    order_id = OrderId(settlement.order_id)
    note_orders(request, order_id)
    await services.settlements.announce(order_id)
    return Accepted(order_id=order_id)
