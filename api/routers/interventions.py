"""Requests by a customer, an operator or the payment gateway about an order whose saga is running."""

from typing import Literal

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.actions import recorded
from api.dependencies import Injected
from api.guarded_routes import SIGNED, InjectedCaller, guarded_router, only
from api.problems import NotPossibleNow, documented_write
from api.request_metrics import note_orders
from api.routers.orders import OrderIdInPath
from domain.ids import OrderId
from domain.order import OrderStatus
from services.access.keys import Role
from services.intake.fields import Body, Id
from services.orders.store import Remedy

router = guarded_router(tags=["interventions"])
gateway = guarded_router(tags=["interventions"])
"""A payment is settled without a gateway: only where the gateway is simulated."""

_FINISHED = frozenset({OrderStatus.CONFIRMED, OrderStatus.CANCELLED})


class Accepted(BaseModel):
    order_id: str
    status: Literal["accepted"] = "accepted"


class SettlementBody(Body):
    order_id: Id
    status: Literal["settled"]


@router.post(
    "/orders/{order_id}/cancel",
    status_code=202,
    responses=documented_write(404, 409, 503),
    openapi_extra=only(Role.CUSTOMER, Role.OPERATOR),
)
async def cancel_order(order_id: OrderIdInPath, services: Injected, caller: InjectedCaller) -> Accepted:
    """Request that the order is undone. Its saga decides whether it is too late."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    async with recorded(caller, services, "cancel", order_id=order_id):
        if record.status in _FINISHED:
            raise NotPossibleNow(f"the order is already {record.status}")
        await services.order_controls[record.style].cancel(order_id)
    return Accepted(order_id=order_id)


@router.post(
    "/orders/{order_id}/compensation/retry",
    status_code=202,
    responses=documented_write(404, 409, 503),
    openapi_extra=only(Role.OPERATOR),
)
async def retry_compensation(order_id: OrderIdInPath, services: Injected, caller: InjectedCaller) -> Accepted:
    """Retry the compensation that ran out of attempts. The order then continues from there."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    async with recorded(caller, services, "retry compensation", order_id=order_id):
        if record.attention is None or record.status is not OrderStatus.NEEDS_ATTENTION:
            raise NotPossibleNow(f"no compensation waits for an operator: the order is {record.status}")
        if record.attention.remedy is Remedy.REPAIR:
            raise NotPossibleNow(f"no compensation waits for an operator: {record.attention.error}")
        await services.order_controls[record.style].retry_compensation(order_id, record.attention)
    return Accepted(order_id=order_id)


@router.post(
    "/orders/{order_id}/repair",
    status_code=202,
    responses=documented_write(404, 409, 503),
    openapi_extra=only(Role.OPERATOR),
)
async def repair_order(order_id: OrderIdInPath, services: Injected, caller: InjectedCaller) -> Accepted:
    """Continue an unfinished order that nothing moves any more.

    Orchestrated: the order's workflow was terminated, has failed or is gone. A new one confirms the order if its
    shipment is scheduled, else undoes it; no effect is repeated. Choreographed: the order's events are published again.
    """
    record = await run_in_threadpool(services.order_records.find, order_id)
    async with recorded(caller, services, "repair", order_id=order_id):
        if record.status in _FINISHED:
            raise NotPossibleNow(f"the order is already {record.status}")
        await services.order_controls[record.style].repair(record.request)
    return Accepted(order_id=order_id)


@gateway.post(
    "/orders/{order_id}/payment/settle",
    status_code=202,
    responses=documented_write(404, 503),
    openapi_extra=only(Role.OPERATOR),
)
async def settle_payment(order_id: OrderIdInPath, services: Injected, caller: InjectedCaller) -> Accepted:
    """Pay as the customer does, at the simulated gateway. A real one reports payments by `POST /webhooks/payments`."""
    await run_in_threadpool(services.order_records.find, order_id)
    async with recorded(caller, services, "settle payment", order_id=order_id):
        await services.settlements.announce(order_id)
    return Accepted(order_id=order_id)


@router.post("/webhooks/payments", status_code=202, responses=documented_write(422, 503), openapi_extra=SIGNED)
async def payment_settled(settlement: SettlementBody, services: Injected, request: Request) -> Accepted:
    """Report that the customer paid. An unknown order is accepted, too: the gateway could do nothing with a 404."""
    order_id = OrderId(settlement.order_id)
    note_orders(request, order_id)
    await services.settlements.announce(order_id)
    return Accepted(order_id=order_id)
