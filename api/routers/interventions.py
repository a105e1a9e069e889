"""What a customer, an operator and the payment gateway may do to an order under way."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from api.dependencies import Injected
from api.problems import NotPossibleNow, documented
from api.routers.orders import OrderIdInPath
from api.schemas.operations import Accepted, SettlementBody
from domain.ids import OrderId
from domain.order import OrderStatus

router = APIRouter(tags=["interventions"])

ACCEPTED = 202
_FINISHED = frozenset({OrderStatus.CONFIRMED, OrderStatus.CANCELLED})


@router.post("/orders/{order_id}/cancel", status_code=ACCEPTED, responses=documented(404, 409, 503))
async def cancel_order(order_id: OrderIdInPath, services: Injected) -> Accepted:
    """Ask for the order to be undone. Whether it is too late is for its saga to say."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    if record.status in _FINISHED:
        raise NotPossibleNow(f"the order is {record.status} already")
    await services.conductors[record.style].cancel(order_id)
    return Accepted(order_id=order_id)


@router.post("/orders/{order_id}/compensation/retry", status_code=ACCEPTED, responses=documented(404, 409, 503))
async def retry_compensation(order_id: OrderIdInPath, services: Injected) -> Accepted:
    """Try the compensation again that kept failing; the order then goes on where it stood."""
    record = await run_in_threadpool(services.order_records.find, order_id)
    if record.attention is None or record.status is not OrderStatus.NEEDS_ATTENTION:
        raise NotPossibleNow(f"no compensation waits for an operator: the order is {record.status}")
    await services.conductors[record.style].retry_compensation(order_id, record.attention)
    return Accepted(order_id=order_id)


@router.post("/webhooks/payments", status_code=ACCEPTED, responses=documented(422, 503))
async def payment_settled(settlement: SettlementBody, services: Injected) -> Accepted:
    """Tell that the customer paid. Of an unknown order it is harmless: the gateway has no use for our 404."""
    order_id = OrderId(settlement.order_id)
    await services.settlements.announce(order_id)
    return Accepted(order_id=order_id)
